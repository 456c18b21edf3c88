"""Deferred SIGINT and SIGTERM: held in critical sections, raised elsewhere; a second signal kills the process."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, Self

from zoo.system import STOP_SIGNALS

_SHOW_CURSOR = b"\x1b[?25h"  # progress bars hide it, and a second signal kills before they restore it


class Interrupted(KeyboardInterrupt):
    """Raised when SIGINT (Ctrl-C) or SIGTERM stops the work.

    Attributes:
        number: the signal number.
        exit_code: 130 or 143, the shell's convention.
    """

    def __init__(self, number: int, command: str) -> None:
        super().__init__(f"Interrupted. Resume with: {command}")
        self.number = number
        self.exit_code = 128 + number


class Interruption:
    """Handles SIGINT and SIGTERM inside a `with` block of the main thread, unless the process ignores them.

    Args:
        command: resumes the work; with None the signal handlers are left unchanged.
        shared: whether a held signal stays unknown until `share`, so that several processes stop after the same step.

    Attributes:
        pending: the signal that was received, or None.
    """

    def __init__(self, command: str | None = None, *, shared: bool = False) -> None:
        self.pending: int | None = None
        self._received: int | None = None
        self._command, self._shared = command, shared
        self._held = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if self._command is not None and threading.current_thread() is threading.main_thread():
            for number in STOP_SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold signals inside the block; a pending one is raised by `stop`, at the latest when the block ends."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        self.pending = self.pending or self._received
        self.stop()

    def share(self, agree: Callable[[int | None], int | None]) -> None:
        """Set `pending` to the signal on which several processes agree, given the one that each has received."""
        self.pending = agree(self._received)

    def stop(self) -> None:
        """Raise `Interrupted` if a signal is pending."""
        if self.pending is not None and self._command is not None:
            raise Interrupted(self.pending, self._command)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        for each in self._before:
            signal.signal(each, signal.SIG_DFL)
        self._received = number
        if not (self._held and self._shared):
            self.pending = number
        if sys.stderr.isatty():
            os.write(sys.stderr.fileno(), _SHOW_CURSOR)
        if not self._held:
            self.stop()
