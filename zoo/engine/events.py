"""Events that the task in this process sends to its launcher."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

_take: Callable[[dict[str, Any]], None] | None = None  # of the task that runs in this process


def emit(event: dict[str, Any]) -> None:
    """Send an event, plain values, to the launcher of this task; dropped where there is none."""
    if _take is not None:
        _take(event)


@contextlib.contextmanager
def emitting(take: Callable[[dict[str, Any]], None] | None) -> Iterator[None]:
    """Let `take` receive the events that are emitted inside the block."""
    global _take
    before, _take = _take, take
    try:
        yield
    finally:
        _take = before
