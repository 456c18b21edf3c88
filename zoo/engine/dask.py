"""`DaskExecutor`: tasks on the workers of a Dask cluster, with a log, events and a time limit. Imports Dask on use.

Dask is the transport: it finds a worker and carries the task there (`zoo.engine.dask_worker`), which runs it in a child
process. Attempts are the zoo's: each has a key of its own, since Dask neither runs a failed key again nor equal
arguments twice; and a task that Dask starts a second time, after its worker died, is told not to.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

from zoo.engine import dask_worker
from zoo.engine.executor import (
    ExecutorEnded,
    Needs,
    OnEvent,
    RemoteExecutor,
    TaskFailed,
    TimedOut,
    WorkerDied,
    failed,
)
from zoo.engine.processes import GRACE
from zoo.engine.transfer import blocks, files_in, listing
from zoo.errors import ConfigError, PluginError, ZooError
from zoo.files.folder_lock import locked
from zoo.files.path_inside import path_inside
from zoo.files.storage import write_atomically
from zoo.runtime.threads import ENVIRONMENT

T = TypeVar("T")

_LOCAL = "dask-local:"
_QUIET = {  # what the processes of a local cluster measure of themselves, which would take about 5 % of a core each
    "distributed.worker.profile.enabled": False,
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.admin.tick.interval": "1s",
}
_LOOK = 2.0  # seconds between two looks at the workers
_PATIENCE = 15.0  # seconds without a worker after which that is said
_MARGIN = 30.0  # seconds that a worker gets to say that a task ran into its time limit
_TAKERS = 8  # threads that fetch answers
_CONNECT = 10.0  # seconds to reach a scheduler
_WAIT = 60.0  # seconds for an earlier attempt to leave the folder


@dataclass(eq=False)
class _Attempt:
    """One attempt at a task.

    Attributes:
        mark: name of an empty file in the folder, by which a worker sees that it shares the folder.
        key: of the Dask task; another one for each submission.
        sent: where the client has the files that a worker may lack, by their hash.
        workers: to which the submission is restricted; () for all.
        worker: address of the worker that was told to start; "" before.
        shared: whether that worker shares the folder.
        task: Dask's future.
    """

    future: Future[Any]
    facts: dict[str, Any]
    needs: Needs
    log: Path | None
    on_event: OnEvent | None
    timeout: float | None
    sent: dict[str, Path]
    mark: str = field(default_factory=lambda: f".zoo-{uuid.uuid4().hex}")
    key: str = ""
    workers: tuple[str, ...] = ()
    worker: str = ""
    shared: bool = False
    task: Any = None


class DaskExecutor(RemoteExecutor):
    """Runs each task in a child process of a Dask worker.

    Args:
        client: a `distributed.Client`; it stays open.
        preload: names of modules that the workers' servers import, once for all tasks.
        is_local: whether all workers were started here.
    """

    def __init__(self, client: Any, *, preload: Sequence[str] = (), is_local: bool = False) -> None:
        self._client, self._preload, self.is_local = client, tuple(preload), is_local
        self._topic = f"zoo-{uuid.uuid4().hex}"
        self._attempts: dict[str, _Attempt] = {}
        self._refused: dict[str, str] = {}  # why, by address
        self._threads: dict[str, int] = client.nthreads()
        self._takers = ThreadPoolExecutor(_TAKERS, thread_name_prefix="zoo-dask")
        self._over = False
        self._lonely = time.monotonic()  # since when there has been no worker
        client.subscribe_topic(self._topic, self._received)
        client.loop.add_callback(self._watch)
        client.loop.add_callback(self._tell, dask_worker.warm, self._preload)

    @property
    def slots(self) -> int:  # type: ignore[override]  # workers come and go
        """The number of tasks that the present workers run at once, at least 1."""
        return max(1, sum(threads for worker, threads in self._threads.items() if worker not in self._refused))

    def launch(
        self,
        fn: Callable[..., T],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        log: Path | None = None,
        on_event: OnEvent | None = None,
        timeout: float | None = None,
        needs: Needs | None = None,
    ) -> Future[T]:
        """Submit a task; see `TaskExecutor.launch`. Its time limit counts from its start on a worker.

        Raises:
            ExecutorEnded: if the connection to the scheduler is lost.
        """
        needs = needs or Needs()
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()
        reads = {path: listing(files) for path, files in needs.reads.items()}
        sent = {each: needs.reads[path][name] for path, files in reads.items() for name, each in files.items()}
        cached = listing(needs.cached)
        sent |= {each: needs.cached[name] for name, each in cached.items()}
        facts = {
            "topic": self._topic,
            "preload": self._preload,
            "function": f"{fn.__module__}:{fn.__qualname__}",
            "args": list(args),
            "kwargs": dict(kwargs or {}),
            "log": str(log) if log else None,
            "timeout": timeout,
            "reads": reads,
            "cached": cached,
            "requires": {name: asdict(each) for name, each in needs.requires.items()},
            "folder": None,
        }
        attempt = _Attempt(future, facts, needs, log, on_event, timeout, sent)
        if needs.folder:
            paths = files_in(needs.folder)
            own = listing(paths)
            attempt.sent |= {each: paths[name] for name, each in own.items()}
            (needs.folder / attempt.mark).touch()
            facts["folder"] = {"path": str(needs.folder), "mark": attempt.mark, "files": own}
        self._submit(attempt)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for the tasks, or cancel them; the client stays open."""
        if wait and not cancel_futures:
            for attempt in list(self._attempts.values()):
                with contextlib.suppress(Exception):
                    attempt.future.exception()
        self._over = True
        left, self._attempts = list(self._attempts.values()), {}
        with contextlib.suppress(Exception):  # a connection that is lost
            self._client.cancel([attempt.task for attempt in left], force=True)
        for attempt in left:
            self._forget(attempt)
        self._takers.shutdown(wait=False)
        with contextlib.suppress(Exception):
            self._client.unsubscribe_topic(self._topic)

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> Literal[False]:
        """Cancel what runs after an error; after Ctrl-C first let tasks save their work, and fetch it."""
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            self._interrupt()
        self.shutdown(cancel_futures=kind is not None)
        return False

    def _interrupt(self) -> None:
        """Ask the tasks to end as SIGTERM does, and wait until their files are here."""
        running = [attempt for attempt in list(self._attempts.values()) if attempt.worker]
        with contextlib.suppress(Exception):  # a connection that is lost
            self._client.cancel([each.task for each in list(self._attempts.values()) if not each.worker], force=True)
            for attempt in running:
                self._client.loop.add_callback(self._tell, dask_worker.stop, attempt.key, workers=[attempt.worker])
        deadline = time.monotonic() + GRACE + 10
        for attempt in running:
            with contextlib.suppress(Exception):
                attempt.future.exception(max(0.0, deadline - time.monotonic()))

    def _submit(self, attempt: _Attempt) -> None:
        """Submit a task under a new key, where workers were refused to the others only."""
        if self._over or self._client.status != "running":
            raise ExecutorEnded(_LOST)
        self._attempts.pop(attempt.key, None)
        attempt.key = attempt.facts["key"] = f"zoo-{uuid.uuid4().hex}"
        attempt.workers = tuple(each for each in self._threads if each not in self._refused) if self._refused else ()
        attempt.worker = ""
        self._attempts[attempt.key] = attempt
        attempt.task = self._client.submit(
            dask_worker.run_task,
            attempt.facts,
            key=attempt.key,
            pure=False,
            workers=list(attempt.workers) or None,
            allow_other_workers=False,
        )
        attempt.task.add_done_callback(partial(self._settled, attempt))

    def _settled(self, attempt: _Attempt, task: Any) -> None:
        """In a thread of the client: let another thread take what a task has left, unless the executor has ended."""
        with contextlib.suppress(RuntimeError):
            self._takers.submit(self._ended, attempt, task)

    def _received(self, event: tuple[float, dict[str, Any]]) -> None:
        """In the client's loop: take a worker's message."""
        message = event[1]
        attempt = self._attempts.get(message["key"])
        if "offer" in message:
            self._client.loop.add_callback(self._answer, message["key"], attempt, message["offer"])
        elif attempt and attempt.on_event:
            attempt.on_event(message["event"])

    async def _answer(self, key: str, attempt: _Attempt | None, offer: dict[str, Any]) -> None:
        """In the client's loop: send what a task lacks and let it start, the first time."""
        worker = offer["worker"]
        with contextlib.suppress(OSError):  # the worker is gone, and another one will offer itself
            if attempt is None or attempt.worker:
                await self._run(worker, dask_worker.answer, key, False)
                return
            try:
                for each in offer["missing"]:
                    for block, last in blocks(attempt.sent[each]):
                        await self._run(worker, dask_worker.receive, key, each, block, last)
            except ZooError as error:
                self._end(attempt, TaskFailed(str(error)))
                return
            attempt.worker, attempt.shared = worker, offer["shared"]
            await self._run(worker, dask_worker.answer, key, True)
            if attempt.timeout is not None:
                self._client.loop.call_later(attempt.timeout + _MARGIN, self._overdue, attempt, key)

    async def _tell(self, function: Callable[..., Any], argument: Any, workers: list[str] | None = None) -> None:
        """In the client's loop: call a function on workers, of which some may be gone or hang."""
        with contextlib.suppress(Exception):
            await self._client.run(function, argument, workers=workers, on_error="ignore")

    async def _run(self, worker: str, function: Callable[..., Any], *arguments: Any) -> None:
        await self._client.run(function, *arguments, workers=[worker])

    def _overdue(self, attempt: _Attempt, key: str) -> None:
        """In the client's loop: give up an attempt whose worker says nothing."""
        if attempt.key == key and not attempt.future.done():
            self._say(f"the worker {attempt.worker} gives no sign, and gets no more cells")
            self._refused[attempt.worker] = "it gives no sign"
            reason = f"it ran longer than {attempt.timeout:g} s, and its worker {attempt.worker} gave no sign"
            self._end(attempt, TimedOut(reason))
            self._client.loop.add_callback(self._cancel, attempt.task)

    async def _cancel(self, task: Any) -> None:
        with contextlib.suppress(Exception):
            await self._client.cancel([task], force=True)

    async def _watch(self) -> None:
        """In the client's loop: see which workers there are, as long as the executor is open."""
        while not self._over and self._client.status not in ("closing", "closed"):
            with contextlib.suppress(Exception):  # a connection that is lost, which tasks notice
                self._threads = await self._client.nthreads()
                self._look()
            await asyncio.sleep(_LOOK)

    def _look(self) -> None:
        """Submit again what waits for workers that are gone, and say when there is none."""
        if self._threads:
            self._lonely = time.monotonic()
        elif time.monotonic() - self._lonely > _PATIENCE:
            self._lonely = float("inf")
            self._say(f"no worker has reached the scheduler {self._client.scheduler.address} yet; jobs wait for one")
        for attempt in list(self._attempts.values()):
            if attempt.workers and not attempt.worker and not set(attempt.workers) & set(self._threads):
                self._client.loop.add_callback(self._cancel, attempt.task)
                self._submit_elsewhere(attempt)

    def _say(self, text: str) -> None:
        for attempt in list(self._attempts.values())[:1]:
            if attempt.on_event:
                attempt.on_event({"warning": text})

    def _ended(self, attempt: _Attempt, task: Any) -> None:
        """In a thread: take what became of a submission."""
        if task.key != attempt.key or attempt.future.done():
            return
        try:
            self._take(attempt, task)
        except Exception as error:  # whatever it is, it must not be lost in this thread
            kind = error if isinstance(error, TaskFailed | ZooError) else TaskFailed(f"{type(error).__name__}: {error}")
            self._end(attempt, kind)

    def _take(self, attempt: _Attempt, task: Any) -> None:
        if task.status == "error":
            error = task.exception()
            if type(error).__name__ != "KilledWorker":
                raise TaskFailed(f"{type(error).__name__}: {error}".rstrip(": "))
            if attempt.worker:
                raise self._death(attempt)
            self._submit(attempt)  # it had not started: Dask blames what waited beside it, too
            return
        try:
            answer: dict[str, Any] = task.result()
        except Exception:
            self._over = True
            raise ExecutorEnded(_LOST) from None
        if "refused" in answer:
            self._refuse(attempt, answer["worker"], answer["refused"])
            return
        if "again" in answer:
            raise self._death(attempt)
        self._write(attempt, answer)
        if "done" in answer:
            self._end(attempt, answer["done"])
        elif "failed" in answer:
            raise failed(answer["failed"])
        elif "overdue" in answer:
            raise TimedOut(answer["overdue"])
        else:
            raise WorkerDied(answer["died"])

    def _death(self, attempt: _Attempt) -> WorkerDied:
        reason = f"its worker {attempt.worker} died"
        if attempt.needs.folder and not attempt.shared:
            reason += ", with the state that it had saved, as it does not share the folder"
        return WorkerDied(reason)

    def _refuse(self, attempt: _Attempt, worker: str, difference: str) -> None:
        """Remember that a worker differs, and submit the task to another."""
        if worker not in self._refused:
            self._refused[worker] = difference
            self._say(f"the worker {worker} is refused: {difference}. {_SAME}")
        self._threads = self._client.nthreads()  # another may have come
        self._submit_elsewhere(attempt)

    def _submit_elsewhere(self, attempt: _Attempt) -> None:
        """Submit a task to the workers that were not refused; it has failed if there are only others."""
        if self._threads and not set(self._threads) - set(self._refused):
            each = "; ".join(f"{worker}: {self._refused[worker]}" for worker in self._threads)
            text = f"No worker has what this comparison was planned with. {each}. {_SAME}"
            self._end(attempt, TaskFailed(text, PluginError.exit_code))
        else:
            self._submit(attempt)

    def _write(self, attempt: _Attempt, answer: dict[str, Any]) -> None:
        """Write what came back into the folder and the log."""
        folder = attempt.needs.folder
        if attempt.log and answer.get("log"):
            with attempt.log.open("ab") as file:
                file.write(answer["log"])
        if folder and (answer["files"] or answer["removed"]):
            with locked(folder, wait=_WAIT):  # an attempt on a worker that is lost may still run, and share the folder
                for name, content in answer["files"].items():
                    path = path_inside(folder, name)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    write_atomically(path, content)
                for name in answer["removed"]:
                    path_inside(folder, name).unlink(missing_ok=True)

    def _end(self, attempt: _Attempt, end: Any) -> None:
        """Set the answer or exception of a task."""
        self._attempts.pop(attempt.key, None)
        self._forget(attempt)
        if isinstance(end, Exception):
            attempt.future.set_exception(end)
        else:
            attempt.future.set_result(end)

    def _forget(self, attempt: _Attempt) -> None:
        """Let Dask forget a task, with its answer, and remove its mark."""
        attempt.task = None
        if attempt.needs.folder:
            (attempt.needs.folder / attempt.mark).unlink(missing_ok=True)


_SAME = "Install it there: zoo sync --from PLAN, the plan.json of the comparison."
_LOST = "The connection to the Dask scheduler is lost, and with it what ran; start it again, with its workers."


@contextlib.contextmanager
def dask_executor(executor: Any, *, preload: Sequence[str] = ()) -> Iterator[DaskExecutor]:
    """Open the executor of an address, `dask://HOST:PORT` or `dask-local:N`, or of a `distributed.Client`.

    Raises:
        ConfigError: if the address is not valid, Dask is not installed, or there is no scheduler.
    """
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(_client(executor)) if isinstance(executor, str) else executor
        is_local = isinstance(executor, str) and executor.startswith(_LOCAL)
        yield stack.enter_context(DaskExecutor(client, preload=preload, is_local=is_local))


def client_of(executor: object) -> Any:
    """Return the `distributed.Client` that an object is, or whose executor it is; None for anything else."""
    if "distributed" not in sys.modules:
        return None
    from distributed import Client
    from distributed.cfexecutor import ClientExecutor

    if isinstance(executor, ClientExecutor):
        return executor._client
    return executor if isinstance(executor, Client) else None


@contextlib.contextmanager
def _client(address: str) -> Iterator[Any]:
    scheduler = re.fullmatch(r"dask://(?P<place>[^/\s]+:\d+)", address)
    local = re.fullmatch(rf"{_LOCAL}(?P<workers>[1-9]\d*)", address)
    if not (scheduler or local):
        raise ConfigError(f"An executor must be dask://HOST:PORT or dask-local:N, got {address!r}.")
    try:
        importlib.import_module("distributed")
    except ImportError:
        raise ConfigError(
            f"{address} needs Dask, which is not installed; install it: pip install 'genzoo[dask]'"
        ) from None
    from distributed import Client

    for name in ("distributed", "distributed.client"):  # their tracebacks are not for users of the zoo
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with _local_scheduler(int(local["workers"])) if local else contextlib.nullcontext() as place:
        try:
            client = Client(place or f"tcp://{scheduler and scheduler['place']}", timeout=_CONNECT)
        except OSError:
            raise ConfigError(
                f"There is no Dask scheduler at {address}; start one, 'dask scheduler', or name another."
            ) from None
        try:
            yield client
        finally:
            client.close(timeout=2)


@contextlib.contextmanager
def _local_scheduler(workers: int) -> Iterator[str]:
    """Run a scheduler in this process, and workers in processes that Ctrl-C does not reach; yield its address.

    The workers end with the scheduler. Dask's own local cluster would import the caller's `__main__` in each.
    """
    import dask
    from distributed import LocalCluster

    quiet = {f"DASK_{key.replace('.', '__').replace('-', '_')}".upper(): str(value) for key, value in _QUIET.items()}
    path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
    with (
        tempfile.TemporaryDirectory(prefix="zoo-dask-", ignore_cleanup_errors=True) as scratch,
        dask.config.set(_QUIET),
        LocalCluster(n_workers=0, processes=True, host="127.0.0.1", dashboard_address="127.0.0.1:0") as cluster,
    ):
        words = ["--nworkers", str(workers), "--nthreads", "1", "--memory-limit", "0", "--no-dashboard"]
        words += ["--death-timeout", "10", "--local-directory", scratch]
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "distributed.cli.dask_worker", cluster.scheduler_address, *words],
            env={**quiet, **os.environ, **ENVIRONMENT, "PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        watcher = threading.Thread(target=process.wait, daemon=True)
        watcher.start()
        try:
            _wait_for(cluster, workers, process)
            yield cluster.scheduler_address
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
            watcher.join()


def _wait_for(cluster: Any, workers: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until the workers are there."""
    deadline = time.monotonic() + 60
    while len(cluster.scheduler.workers) < workers:
        if process.poll() is not None or time.monotonic() > deadline:
            raise ZooError(f"The {workers} local Dask workers did not start; see: dask worker --help.")
        time.sleep(0.05)
