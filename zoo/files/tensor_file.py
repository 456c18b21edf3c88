"""A safetensors file that is whole or refused: tensors, plain values under one JSON key, and a SHA-256 over both.

One key, since several come out in random byte order. safetensors itself finds no flipped bit, takes a key twice, and
does not see that its file is on the disk.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from zoo.errors import CheckpointError
from zoo.files.storage import write_atomically

FORMAT = 1


def write(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write tensors and plain values, atomically.

    Raises:
        ZooError: if it cannot be written; an older file is untouched.
    """
    owned = {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}
    told = {"format": FORMAT, **facts}
    write_atomically(path, save(owned, {"zoo": json.dumps(told | {"sha256": _sha256(owned, told)})}))


def read(file: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The plain values and the tensors of a file, after checking its format and its SHA-256.

    Raises:
        CheckpointError: if it cannot be read, is damaged, or has another format.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise CheckpointError(f"Cannot read {file}: {error.strerror or error}.") from None
    damaged = CheckpointError(f"{file} is damaged or no file of the zoo; restore it from a copy, or train again.")
    try:
        tensors = load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")], object_pairs_hook=_without_doubles)
        facts = json.loads(header["__metadata__"]["zoo"], object_pairs_hook=_without_doubles)
        found, stored = facts.get("format"), facts.pop("sha256", None)
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise damaged from None
    if found != FORMAT:
        raise CheckpointError(
            f"{file} has format {found!r}, and this zoo reads format {FORMAT}; update the older of the two."
        )
    if stored != _sha256(tensors, facts):
        raise damaged
    return facts, tensors


def part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with `prefix`, without it."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _sha256(tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> str:
    """Hash over the metadata and every tensor's name, dtype, shape and bytes."""
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, refused if a key stands in it twice."""
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("duplicate key")
    return result
