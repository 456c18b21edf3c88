"""Reading and writing `results.json`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unicodedata import category

from pydantic import ValidationError

from zoo.errors import CheckpointError
from zoo.files.storage import write_atomically
from zoo.results.schema import Results

FILE = "results.json"
SCHEMA = 2
_LARGEST = 2**28  # bytes; a full comparison on MNIST has about a million


def read_results(folder: str | Path) -> Results:
    """Read the results of a finished comparison from its folder.

    Control characters in texts are replaced by their escapes, so that a terminal does not obey them.

    Raises:
        CheckpointError: if the file is missing, damaged, too large, or has another schema.
    """
    file = Path(folder) / FILE
    try:
        if (size := file.stat().st_size) > _LARGEST:
            raise CheckpointError(f"{file} has {size:,} bytes; results of more than {_LARGEST:,} are not read.")
        content = _visible(json.loads(file.read_text(encoding="utf-8"), parse_int=_whole))
        schema = content["schema"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{file} does not contain a comparison: {error}.") from None
    if schema != SCHEMA:
        raise CheckpointError(f"{file} has schema {schema!r}, and this version of genzoo reads schema {SCHEMA}.")
    try:
        return from_plain(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise CheckpointError(
            f"{file} does not contain valid results, or is damaged: {place}: {first['msg']}; "
            "see docs/results-schema.md."
        ) from None


def write_results(folder: Path, results: Results) -> None:
    """Write `results.json` atomically."""
    write_atomically(folder / FILE, json.dumps(to_plain(results), indent=2).encode())


def to_plain(results: Results) -> dict[str, Any]:
    """Return the contents of `results.json` as dictionaries, lists and numbers."""
    return {"schema": SCHEMA} | results.model_dump(by_alias=True, exclude_unset=True)


def from_plain(content: dict[str, Any]) -> Results:
    """Return the typed form of what `to_plain` returns.

    Raises:
        ValidationError: if the content does not match the schema.
    """
    return Results.model_validate({key: value for key, value in content.items() if key != "schema"})


def _whole(digits: str) -> int:
    """Parse an integer of JSON.

    Raises:
        ValueError: if it does not fit into 64 bits.
    """
    if len(digits) > 20 or not -(2**63) <= int(digits) < 2**63:
        raise ValueError(f"the number {digits[:20]}… is too large")
    return int(digits)


def _visible(value: Any) -> Any:
    """Replace the control characters in all texts of nested plain values by their escapes, newlines excepted."""
    if isinstance(value, dict):
        return {_visible(key): _visible(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_visible(each) for each in value]
    if isinstance(value, str) and not value.isprintable():
        kept = (each if category(each)[0] != "C" or each == "\n" else repr(each)[1:-1] for each in value)
        return "".join(kept)
    return value
