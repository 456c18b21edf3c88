"""Checksummed safetensors files: tensors, metadata as JSON under one key, and a SHA-256 over both.

A single key, because safetensors writes several in random order. safetensors alone does not detect flipped bits,
accepts duplicate keys, and does not sync its file to disk.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save
from torch import Tensor
from torch.nn.parameter import is_lazy

from zoo.errors import CheckpointError, PluginError
from zoo.files.storage import write_atomically

FORMAT = 1
_KEY = "zoo"
#: what safetensors both writes and reads; it writes float8_e8m0fnu and float4_e2m1fn_x2, but does not read them
_DTYPES = frozenset(
    {
        *(torch.bool, torch.uint8, torch.uint16, torch.uint32, torch.uint64),
        *(torch.int8, torch.int16, torch.int32, torch.int64),
        *(torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64),
        *(torch.float8_e4m3fn, torch.float8_e4m3fnuz, torch.float8_e5m2, torch.float8_e5m2fnuz),
    }
)


def write(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write tensors and metadata atomically, with a checksum.

    Raises:
        ZooError: if the file cannot be written; an existing file is unchanged.
        PluginError: for a tensor that a file cannot hold.
    """
    for name, value in tensors.items():
        if reason := obstacle(value):
            raise PluginError(f"Cannot write {path}: {name} {reason}.")
    owned = {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}
    told = {"format": FORMAT, **facts}
    write_plain(path, owned, told | {"sha256": _sha256(owned, told)})


def read(file: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read metadata and tensors, after checking the format and the SHA-256.

    Raises:
        CheckpointError: if the file cannot be read, is damaged, or has another format.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise CheckpointError(f"Cannot read {file}: {error.strerror or error}.") from None
    damaged = CheckpointError(f"{file} is damaged or not a genzoo file; restore it from a copy, or train again.")
    try:
        tensors = load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")], object_pairs_hook=_without_doubles)
        facts = json.loads(header["__metadata__"][_KEY], object_pairs_hook=_without_doubles)
        found, stored = facts.get("format"), facts.pop("sha256", None)
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise damaged from None
    if found != FORMAT:
        raise CheckpointError(
            f"{file} has format {found!r}, but this version of genzoo reads format {FORMAT}; use the one that wrote it."
        )
    if stored != _sha256(tensors, facts):
        raise damaged
    return facts, tensors


def obstacle(value: object) -> str:
    """Return why a value cannot be written to a file and read back the same, with the way out; "" if it can."""
    if not isinstance(value, Tensor):
        return f"is not a tensor but {type(value).__name__}; keep settings in the config and numbers in buffers"
    if is_lazy(value) or value.is_meta:
        return "has no values yet; build must give every tensor its shape and values"
    if value.layout != torch.strided or value.is_nested:
        layout = "nested" if value.is_nested else str(value.layout).removeprefix("torch.")
        return f"has the layout {layout}; use a dense tensor"
    if value.dtype not in _DTYPES:
        return f"has the type {value.dtype}, which the file format lacks; use float32, int64 or complex64"
    return ""


def write_plain(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write tensors and metadata atomically, without a checksum of the file.

    Raises:
        ZooError: if the file cannot be written; an existing file is unchanged.
    """
    write_atomically(path, save(dict(tensors), {_KEY: json.dumps(facts)}))


def map_plain(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Memory-map a file without checking it; return metadata and tensors.

    Raises:
        OSError, SafetensorError, KeyError, TypeError, ValueError: if the file is missing, damaged, or of another kind.
    """
    with safe_open(path, framework="pt") as file:
        facts = json.loads(file.metadata()[_KEY])
        return facts, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a mapping)


def hash_tensors(header: str, tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of a header and of every tensor's name, dtype, shape and bytes, sorted by name."""
    digest = hashlib.sha256(header.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Select the tensors whose names start with `prefix`, and remove it."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _sha256(tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> str:
    """Return the checksum of metadata and tensors."""
    return hash_tensors(json.dumps(facts, sort_keys=True), tensors)


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build a JSON object; refuse duplicate keys."""
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("duplicate key")
    return result
