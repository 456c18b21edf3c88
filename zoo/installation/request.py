"""Installation requests: a requirement, a path, a URL or a commit; everything else is refused.

pip also accepts options inside a requirement, other indexes, editable folders and passwords in URLs. This module
refuses all of these, so pip never receives them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal
from urllib.parse import SplitResult, unquote, urlsplit

from packaging.requirements import InvalidRequirement, Requirement

from zoo.errors import ConfigError
from zoo.files.addresses import redacted

ARCHIVES = (".whl", ".tar.gz", ".zip")

Kind = Literal["index", "wheel", "source"]


@dataclass(frozen=True)
class Request:
    """A request that pip can process.

    Attributes:
        kind: `index` for a requirement, `wheel` for the path or URL of a wheel, `source` for what must be built.
        argument: the requirement, path or URL.
        name: the expected name of the distribution; "" if it is not known.
        sha256: the expected hash of the wheel; "" if it is not known.
        official: whether the hash is that of an official release in the catalogue.
        ours: whether the catalogue or the lock file gives the source of the distribution.
    """

    kind: Kind
    argument: str
    name: str = ""
    sha256: str = ""
    official: bool = False
    ours: bool = False


def parse_request(text: str) -> Request:
    """Parse NAME | REQUIREMENT | PATH | URL.

    Raises:
        ConfigError: if the text is not exactly one of these; the message does not repeat a password in it.
    """
    if not text.strip() or not text.isprintable():
        raise ConfigError(f"A plugin to install must be one line of printable characters, got {redacted(text)!r}.")
    text = text.strip()
    if options := [word for word in text.split() if word.startswith("-")]:
        raise ConfigError(f"{redacted(options[0])!r} is a pip option; give a plugin without options.")
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", text):
        return _address(text)
    if not re.match(r"[\w.-]+\s*(\[[^]]*\])?\s*@", text) and _looks_like_a_path(text):
        return _path(text)
    return _requirement(text)


def _looks_like_a_path(text: str) -> bool:
    return "/" in text or text.startswith(("~", ".")) or text.endswith(ARCHIVES)


def _path(text: str) -> Request:
    """Parse the path of a folder with a pyproject.toml, or of a distribution file."""
    path = Path(text).expanduser().resolve()
    if path.is_dir():
        if not (path / "pyproject.toml").is_file():
            raise ConfigError(f"{text!r} must be the folder of a distribution; it has no pyproject.toml.")
        return Request("source", str(path))
    if not path.is_file():
        raise ConfigError(f"{redacted(text)!r} does not exist; give a file or a folder.")
    if not path.name.endswith(ARCHIVES):
        raise ConfigError(f"{text!r} must be a folder, or a file that ends with one of: {', '.join(ARCHIVES)}.")
    return Request(_kind(path.name), str(path))


def _requirement(text: str) -> Request:
    """Parse a requirement on the index, or `NAME @ URL`."""
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        why = redacted(str(error).partition("\n")[0]).rstrip(".")
        raise ConfigError(f"{redacted(text)!r} is not a valid name, requirement, path or URL: {why}.") from None
    if requirement.marker is not None:
        raise ConfigError(f"{text!r} must have no environment marker; remove the semicolon and what follows it.")
    if requirement.url is None:
        return Request("index", str(requirement), requirement.name)
    if requirement.extras:
        raise ConfigError(f"{redacted(text)!r} is a URL and must have no extras; install them by name.")
    found = _address(requirement.url)
    return Request(found.kind, found.argument, requirement.name)


def _address(text: str) -> Request:
    """Parse the https URL of a file, or `git+https://HOST/PATH@COMMIT`."""
    shown = redacted(text)
    try:
        parts = urlsplit(text.removeprefix("git+"))
        _ = parts.port  # raises unless it is a number
    except ValueError:
        raise ConfigError(f"{shown!r} is not a valid URL.") from None
    if parts.scheme == "file":
        raise ConfigError("A URL must use https; for a local file or folder give its path, without file:")
    if "@" in parts.netloc:
        raise ConfigError(f"{shown!r} must not contain a user name or password, because it is shown and recorded.")
    if parts.query:
        raise ConfigError(f"{shown!r} must not have a query, because a query can contain a password and is recorded.")
    if parts.scheme != "https" or not parts.hostname:
        raise ConfigError(f"{shown!r} must start with https:// or git+https://.")
    return _git(text, parts) if text.startswith("git+") else _file(text, parts)


def _git(text: str, parts: SplitResult) -> Request:
    """Parse a URL with a full commit; branches and tags are refused, because they can move to other code."""
    _, _, commit = parts.path.partition("@")
    if not re.fullmatch("[0-9a-f]{40}", commit):
        raise ConfigError(f"{text!r} must end with @ and a full commit hash of 40 hexadecimal digits, got {commit!r}.")
    if parts.fragment:
        key, _, folder = parts.fragment.partition("=")
        inside = PurePosixPath(unquote(folder))
        if key != "subdirectory" or "&" in folder or inside.is_absolute() or ".." in inside.parts:
            raise ConfigError(f"After #, {text!r} may only have subdirectory=FOLDER, inside the repository.")
    return Request("source", text)


def _file(text: str, parts: SplitResult) -> Request:
    """Parse the URL of a distribution file, with its hash if it has one."""
    if not parts.path.endswith(ARCHIVES):
        raise ConfigError(f"{text!r} must end with one of {', '.join(ARCHIVES)}; for a repository write git+https://.")
    if parts.fragment and not re.fullmatch("sha256=[0-9a-f]{64}", parts.fragment):
        raise ConfigError(f"After #, {text!r} may only have sha256= and 64 hexadecimal digits.")
    return Request(_kind(parts.path), text, sha256=parts.fragment.removeprefix("sha256="))


def _kind(name: str) -> Kind:
    return "wheel" if name.endswith(".whl") else "source"
