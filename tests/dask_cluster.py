"""A Dask cluster on loopback for tests and benchmarks: a scheduler and workers in processes, each with its own folder.

A worker may be given folders that it does not see, as on a machine without the shared file system: it then runs in a
mount namespace in which they are empty.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from zoo.runtime.threads import ENVIRONMENT

NAMESPACES = "unshare -Urm"


def can_hide() -> bool:
    """Whether this system lets a process have mounts of its own."""
    try:
        return subprocess.run([*NAMESPACES.split(), "true"], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


class Cluster:
    """A scheduler and its workers, in processes that end with the block.

    Args:
        folder: where each process has a folder, which it is the cache of, too.
        port: of the scheduler; 0 for any.
    """

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.folder, self._port = folder, port
        self.workers: dict[str, subprocess.Popen[bytes]] = {}
        self.scheduler: subprocess.Popen[bytes] | None = None
        self.address = ""

    def __enter__(self) -> Cluster:
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        for process in (*self.workers.values(), self.scheduler):
            if process and process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            if process:
                process.wait()

    @property
    def executor(self) -> str:
        """What `--executor` takes."""
        return self.address.replace("tcp://", "dask://")

    def start(self) -> None:
        """Start the scheduler."""
        file = self.folder / "scheduler.json"
        file.unlink(missing_ok=True)
        words = ["--host", "127.0.0.1", "--port", str(self._port), "--no-dashboard", "--scheduler-file", str(file)]
        self.scheduler = self._process("scheduler", "dask_scheduler", words, {})
        self.address = _soon(lambda: _field(file.read_text(), "address") if file.exists() else "", self.scheduler)
        self._port = int(self.address.rpartition(":")[2])

    def worker(self, name: str, *, hidden: tuple[Path, ...] = (), nanny: bool = False, **environment: str) -> str:
        """Start a worker, which does not see some folders, and return its name."""
        words = [self.address, "--name", name, "--nthreads", "1", "--memory-limit", "0", "--no-dashboard"]
        words += ["--local-directory", str(self.folder / name), "--death-timeout", "20"]
        words += ["--nanny" if nanny else "--no-nanny"]
        self.workers[name] = self._process(name, "dask_worker", words, environment, hidden)
        return name

    def kill(self, name: str) -> None:
        """Kill a worker's process by SIGKILL, not those that it started."""
        self.workers[name].kill()
        self.workers.pop(name).wait()

    def end(self, name: str) -> None:
        """Ask a worker to end, as a job scheduler does, and wait for it."""
        self.workers[name].terminate()
        self.workers.pop(name).wait()

    def _process(
        self, name: str, module: str, words: list[str], environment: dict[str, str], hidden: tuple[Path, ...] = ()
    ) -> subprocess.Popen[bytes]:
        (self.folder / name).mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-P", "-m", f"distributed.cli.{module}", *words]
        if hidden:
            mounts = " && ".join(f"mount -t tmpfs none '{each}'" for each in hidden)
            command = [*NAMESPACES.split(), "sh", "-c", f'{mounts} && exec "$@"', "sh", *command]
        path = os.pathsep.join(each for each in (environment.pop("PYTHONPATH", ""), *sys.path) if each)
        own = {"PYTHONPATH": path, "ZOO_CACHE": str(self.folder / name / "cache")}
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                command,
                env={**os.environ, **ENVIRONMENT, **own, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=self.folder / name,
            )


def _field(text: str, name: str) -> str:
    try:
        return str(json.loads(text)[name])
    except ValueError:  # not yet complete
        return ""


def _soon(look, process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + 60
    while not (found := look()):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found
