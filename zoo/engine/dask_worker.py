"""Inside a Dask worker: check what is installed, get the files, and run the task in a child process of the zoo's own.

A Dask task cannot be stopped, has no time limit and no thread of its own for signals, and shares its process with those
before it; a child process has all that. Before it starts, the task offers itself to the client, which sends what is
missing and says whether it may start: so that the client alone decides how often a task is attempted.
"""

from __future__ import annotations

import contextlib
import importlib
import shutil
import threading
from collections.abc import Iterable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from zoo.engine.executor import ExecutorEnded, TaskFailed, TimedOut, WorkerDied
from zoo.engine.processes import ProcessExecutor, process_executor
from zoo.engine.transfer import Store, files_in, is_same, listing
from zoo.files.storage import cache_folder
from zoo.plugins.fingerprint import Fingerprint, mismatch

_POLL = 0.5  # seconds between two looks at whether the task is still wanted
_HOME = "zoo-files"  # of a folder that Dask has put on sys.path: no name that could be imported
_ENDING = ("closing", "closing_gracefully", "closed")

_tasks: dict[str, RemoteTask] = {}  # of this worker, by key
_executor: ProcessExecutor | None = None  # of this worker
_lock = threading.Lock()


def run_task(description: dict[str, Any]) -> dict[str, Any]:
    """Run a task that a client described, as a Dask task; what became of it, and its files."""
    from distributed import get_worker

    worker = get_worker()
    required = {name: Fingerprint(**facts) for name, facts in description["requires"].items()}
    if difference := mismatch(required):
        return {"refused": difference, "worker": worker.address}
    task = _tasks[description["key"]] = RemoteTask(description, worker)
    try:
        return task.run()
    finally:
        _tasks.pop(description["key"])
        task.clean()


def warm(preload: tuple[str, ...]) -> None:
    """Out of band: start this worker's server, which imports modules, before its first task."""
    executor(preload).submit(int)


def receive(key: str, wanted: str, block: bytes, last: bool) -> None:
    """Out of band: take a block of a file for a task; nothing if the task is gone."""
    if task := _tasks.get(key):
        task.store.receive(wanted, key, block, last=last)


def answer(key: str, go: bool) -> None:
    """Out of band: answer a task's offer."""
    if task := _tasks.get(key):
        task.answer(go)


def stop(key: str) -> bool:
    """Out of band: ask a task to save its work and end; whether it runs here."""
    task = _tasks.get(key)
    if task:
        task.stop()
    return task is not None


def executor(preload: Iterable[str]) -> ProcessExecutor:
    """Return this worker's executor."""
    global _executor
    with _lock:
        if _executor is None:
            _executor = process_executor(1, preload=tuple(preload))
        return _executor


class RemoteTask:
    """A task on its worker.

    Args:
        description: what the client sent.
        worker: of Dask.
    """

    def __init__(self, description: dict[str, Any], worker: Any) -> None:
        self._facts, self._worker = description, worker
        self.key: str = description["key"]
        home: Path = Path(worker.local_directory) / _HOME  # which Dask removes with the worker
        self.store, self._reads = Store(home / "files"), home / "reads"
        self._work: Path = home / self.key
        home.mkdir(exist_ok=True)
        self._answered, self._go, self._stopped = threading.Event(), False, False
        self._child: Future[Any] | None = None
        folder = description["folder"]
        self._shared = folder is not None and Path(folder["path"], folder["mark"]).exists()

    def run(self) -> dict[str, Any]:
        """Offer the task, run it if the client agrees, and return what became of it."""
        places, missing = self._places()
        self._tell(offer={"worker": self._worker.address, "shared": self._shared, "missing": missing})
        while not self._answered.wait(_POLL):
            if self._is_unwanted():
                return {"again": True}
        if not self._go:
            return {"again": True}
        self._put_files(places)
        outcome = self._ended(places)
        return outcome | self._results()

    def answer(self, go: bool) -> None:
        """Take the client's answer."""
        self._go = go
        self._answered.set()

    def stop(self) -> None:
        """Ask the child to save its work and end, at once if it has not started."""
        self._stopped = True
        if self._child is None:
            self.answer(False)
        else:
            executor(self._facts["preload"]).stop(self._child)

    def clean(self) -> None:
        """Remove the task's files from this machine."""
        shutil.rmtree(self._work, ignore_errors=True)
        shutil.rmtree(self._reads / self.key, ignore_errors=True)
        self._log.unlink(missing_ok=True)

    @property
    def _log(self) -> Path:
        """The log's file where its folder is not shared."""
        return self._work.with_name(f"{self.key}.log")

    def _tell(self, **facts: Any) -> None:
        self._worker.log_event(self._facts["topic"], {"key": self.key, **facts})

    def _is_unwanted(self) -> bool:
        """Whether the client has cancelled the task or is gone, or the worker was asked to end."""
        state = self._worker.state.tasks.get(self.key)
        return state is None or state.state == "cancelled" or self._worker.status.name in _ENDING

    def _places(self) -> tuple[dict[str, str], list[str]]:
        """Return where each path of the task is on this machine, and the hashes of the files that are missing."""
        places, wanted = {}, []
        for path, files in self._facts["reads"].items():
            if all(is_same(Path(path, name) if name else Path(path), each) for name, each in files.items()):
                places[path] = path  # on a shared file system
                continue
            if "" in files:
                places[path] = str(self._reads / files[""] / Path(path).name)
            else:
                places[path] = str(self._reads / self.key)
            wanted += files.values()
        for name, each in self._facts["cached"].items():
            if not is_same(cache_folder() / name, each):
                wanted.append(each)
        if folder := self._facts["folder"]:
            places[folder["path"]] = folder["path"] if self._shared else str(self._work)
            if not self._shared:
                wanted += folder["files"].values()
        return places, sorted({each for each in wanted if not self.store.path(each).exists()})

    def _put_files(self, places: dict[str, str]) -> None:
        for path, files in self._facts["reads"].items():
            if places[path] != path:
                for name, each in files.items():
                    self.store.put(each, Path(places[path], name) if name else Path(places[path]))
        for name, each in self._facts["cached"].items():
            if not is_same(cache_folder() / name, each):
                self.store.put(each, cache_folder() / name, copied=True)
        if self._facts["folder"] and not self._shared:
            self._work.mkdir(parents=True)
            sent = self._facts["folder"]["files"]
            for name, each in sent.items():
                self.store.put(each, self._work / name, copied=True)
            for each in set(sent.values()):
                self.store.path(each).unlink()  # for this attempt alone

    def _ended(self, places: dict[str, str]) -> dict[str, Any]:
        """Run the child to its end, and return what became of it."""
        function, kwargs = self._facts["function"], dict(self._facts["kwargs"])
        if places:
            kwargs["places"] = places
        module, _, name = function.partition(":")
        log = self._facts["log"]
        self._child = executor(self._facts["preload"]).launch(
            getattr(importlib.import_module(module), name),
            self._facts["args"],
            kwargs,
            log=Path(log) if self._shared and log else self._log,
            on_event=lambda event: self._tell(event=event),
            timeout=self._facts["timeout"],
        )
        if self._stopped:
            self.stop()
        while True:
            with contextlib.suppress(TimeoutError):
                return _outcome(self._child, _POLL)
            if self._is_unwanted() and not self._stopped:
                self.stop()

    def _results(self) -> dict[str, Any]:
        """Return what the client's folder lacks: new and changed files, names of removed ones, and the log."""
        found: dict[str, Any] = {"files": {}, "removed": []}
        if self._log.exists():
            found["log"] = self._log.read_bytes()
        if self._facts["folder"] and not self._shared:
            before, paths = self._facts["folder"]["files"], files_in(self._work)
            now = listing(paths)
            found["files"] = {name: paths[name].read_bytes() for name in now if now[name] != before.get(name)}
            found["removed"] = [name for name in before if name not in now]
        return found


def _outcome(child: Future[Any], seconds: float) -> dict[str, Any]:
    """Return what became of a child, as plain values.

    Raises:
        TimeoutError: if it still runs after some seconds.
    """
    global _executor
    error = child.exception(seconds)
    if error is None:
        return {"done": child.result()}
    if isinstance(error, ExecutorEnded):
        _executor = None  # its server was killed; the next task starts another
        return {"died": "the process server of its worker ended"}
    if isinstance(error, TimedOut):
        return {"overdue": error.reason}
    if isinstance(error, WorkerDied):
        return {"died": error.reason}
    assert isinstance(error, TaskFailed)
    return {"failed": {"reason": error.reason, "exit_code": error.exit_code, "traceback": error.traceback}}
