"""`Trackers`: relay the events of runs to trackers, each in a thread of its own, so that none delays or stops work.

A tracker that raises is not called again in this command. At the end, trackers get a few seconds to finish.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from zoo.contract.tracked_run import TrackedRun
from zoo.plugins.plugin import Plugin

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WAIT = 10.0  # seconds that trackers get, together, after the last event

Call = tuple[str, str, dict[str, Any]]  # name of the run, hook, arguments


class Trackers:
    """Context manager that starts a thread per tracker and waits for them at its end.

    Args:
        plugins: the active trackers.
        warn: takes one sentence per tracker that failed; called in the thread that uses this object.
        wait: seconds that the trackers get to finish.
    """

    def __init__(self, plugins: Sequence[Plugin], warn: Callable[[str], None], wait: float = WAIT) -> None:
        self._relays = [_Relay(plugin) for plugin in plugins]
        self._warn, self._wait = warn, wait
        self._open: dict[str, None] = {}  # names of runs, in order
        self._told: set[_Relay] = set()

    def __enter__(self) -> Self:
        for relay in self._relays:
            relay.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for name in list(self._open):
            self.end(name, {}, failure=f"{type(error).__name__}: {error}" if error else "unfinished")
        for relay in self._relays:
            relay.calls.put(None)
        deadline = time.monotonic() + self._wait
        for relay in self._relays:
            relay.join(max(deadline - time.monotonic(), 0.0))
            if relay.is_alive():
                relay.failure = f"did not finish within {self._wait:g} s"
        self._tell()

    def begin(self, run: TrackedRun) -> None:
        """Announce a run; a run that is announced already, because it is attempted again, stays as it is."""
        if run.name not in self._open:
            self._open[run.name] = None
            self._call(run.name, "begin", {"run": run})

    def log(self, name: str, step: int, values: Mapping[str, float]) -> None:
        """Pass on the values of a step."""
        self._call(name, "log", {"step": step, "values": dict(values)})

    def image(self, name: str, title: str, pixels: NDArray[np.uint8]) -> None:
        """Pass on an image, shape (H, W, 3)."""
        self._call(name, "image", {"name": title, "pixels": pixels})

    def end(self, name: str, summary: Mapping[str, float], failure: str = "") -> None:
        """Pass on the figures of a run that ended, and why it failed, if it did."""
        self._open.pop(name, None)
        self._call(name, "end", {"summary": dict(summary), "failure": failure})

    def _call(self, name: str, hook: str, arguments: dict[str, Any]) -> None:
        for relay in self._relays:
            relay.calls.put((name, hook, arguments))
        self._tell()

    def _tell(self) -> None:
        for relay in self._relays:
            if relay.failure and relay not in self._told:
                self._told.add(relay)
                self._warn(f"The tracker {relay.plugin.source} {relay.failure}. Results are not affected.")


class _Relay(threading.Thread):
    """The thread of one tracker; a fresh plugin object takes the calls of each run."""

    def __init__(self, plugin: Plugin) -> None:
        super().__init__(name=f"tracker {plugin.qualified}", daemon=True)  # a hanging one must not keep the process
        self.plugin = plugin
        self.failure = ""
        self.calls: queue.SimpleQueue[Call | None] = queue.SimpleQueue()

    def run(self) -> None:
        """Take calls until None comes."""
        runs: dict[str, Plugin] = {}
        while (call := self.calls.get()) is not None:
            name, hook, arguments = call
            if self.failure:
                continue
            try:
                if hook == "begin":
                    runs[name] = self.plugin.renewed()
                getattr(runs[name].hooks, hook)(**arguments)
            except BaseException as error:
                text = " ".join(str(error).split())
                self.failure = f"failed in its hook {hook!r} and is no longer used: {type(error).__name__}: {text:.300}"
            if hook == "end":
                runs.pop(name, None)
