"""Publications: when and by whom a release was uploaded, as its index says (PEP 700, PEP 740), unverified."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.request import Request, urlopen

#: days for which a release counts as young: time for others to find what is wrong with it
YOUNG_DAYS = 7

_SECONDS = 10  # without an answer
_LARGEST = 2**25  # bytes of an answer


@dataclass(frozen=True)
class Publication:
    """What an index says of a file.

    Attributes:
        published: the date of its upload in ISO 8601; "" if the index does not say.
        publisher: the account that built and uploaded it, such as `GitHub ada/zoo-coins`; "" if the index does not say.
    """

    published: str = ""
    publisher: str = ""


def publication(name: str, sha256: str, index: str) -> Publication:
    """Return when and by whom the file with this hash was published on an index; empty where that is not served.

    Args:
        name: normalised name of the distribution.
        sha256: hash of the file.
        index: address of the index, to which the name is appended.
    """
    try:
        page = _json(f"{index.rstrip('/')}/{name}/", "application/vnd.pypi.simple.v1+json")
        file = next(each for each in page["files"] if each["hashes"].get("sha256") == sha256)
        published = str(file.get("upload-time") or "")[:10]
        address = file.get("provenance")
        bundles = _json(address, "application/json")["attestation_bundles"] if address else []
        return Publication(published, _shown(bundles[0]["publisher"]) if bundles else "")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, StopIteration):  # whatever an index may answer
        return Publication()


def warnings(name: str, now: Publication, before: str, today: datetime | None = None) -> list[str]:
    """Return a sentence each on a young release and a changed publisher.

    Args:
        name: the distribution and its version.
        now: its publication.
        before: the publisher of the version in the lock file; "" if it is unknown.
        today: the present time; None asks the clock.
    """
    found = []
    try:
        age = (today or datetime.now(UTC)) - datetime.fromisoformat(now.published).replace(tzinfo=UTC)
    except ValueError:
        age = None
    if age is not None and age < timedelta(days=YOUNG_DAYS):
        found.append(f"{name} was published on {now.published}, less than {YOUNG_DAYS} days ago.")
    if before and now.publisher != before:
        found.append(
            f"{name} was published by {now.publisher or 'an unknown account'}; the locked version by {before}."
        )
    return found


def _json(address: str, kind: str) -> dict[str, Any]:
    if not address.startswith(("https://", "http://")):
        raise ValueError("an index is asked over http only")
    with urlopen(Request(address, headers={"Accept": kind}), timeout=_SECONDS) as answer:
        document: dict[str, Any] = json.loads(answer.read(_LARGEST))
    return document


def _shown(publisher: dict[str, Any]) -> str:
    """Return a publisher as `KIND ACCOUNT`, in printable characters."""
    account = next((publisher[key] for key in ("repository", "email", "project") if publisher.get(key)), "")
    return "".join(each for each in f"{publisher['kind']} {account}".strip() if each.isprintable())[:200]
