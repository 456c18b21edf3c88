"""The process settings that a plugin must not change."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch


def settings() -> dict[str, Any]:
    """Return the settings by their names in messages."""
    return {
        "the number of threads": torch.get_num_threads(),
        "torch's default dtype": torch.get_default_dtype(),
        "torch's gradient mode": torch.is_grad_enabled(),
        "the working folder": str(Path.cwd()),
        "the environment": dict(os.environ),
    }


def restore(before: dict[str, Any]) -> list[str]:
    """Restore the settings, and return the names of those that had changed."""
    changed = [name for name, value in settings().items() if value != before[name]]
    torch.set_num_threads(before["the number of threads"])
    torch.set_default_dtype(before["torch's default dtype"])
    torch.set_grad_enabled(before["torch's gradient mode"])
    os.chdir(before["the working folder"])
    if "the environment" in changed:
        os.environ.clear()
        os.environ.update(before["the environment"])
    return changed


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """Restore the settings at the end of the block."""
    before = settings()
    try:
        yield
    finally:
        restore(before)
