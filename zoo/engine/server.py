"""The warm server, `python -m zoo.engine.server MODULE…`: imports modules once, and forks a child per task.

Requests and messages are JSON lines on standard input and output: `{"job": …}`, `{"stop": id}`, which sends SIGTERM,
`{"kill": id}` and `{"end": true}` in; per task `event`, `done`, `failed` or `died` out. The server kills its children
and ends when its input does; asked to end, it sends them SIGTERM and waits for them.
It must stay free of threads and of any computation: forking after a threaded matrix product was seen to hang.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import selectors
import signal
import sys
from typing import Any

from zoo.engine.worker import perform, redirect_output

assert sys.platform != "win32", "Windows has no fork; see zoo.engine.processes.SpawnExecutor"


class Server:
    """Forks a child per job and forwards what the children say."""

    def __init__(self, requests: int, messages: int) -> None:
        self._requests = requests
        self._messages = messages
        self._selector = selectors.DefaultSelector()
        self._selector.register(requests, selectors.EVENT_READ)
        self._children: dict[int, tuple[int, int]] = {}  # channel -> (job, process)
        self._rest: dict[int, bytes] = {}
        self._ending = False

    def serve(self) -> None:
        """Work until the requests end; then no child is left."""
        try:
            while self._children or not self._ending:
                for key, _ in self._selector.select():
                    channel = key.fd
                    content = os.read(channel, 65536)
                    if channel == self._requests:
                        if not content:
                            return
                        for line in self._lines(channel, content):
                            self._request(json.loads(line))
                    elif content:
                        for line in self._lines(channel, content):
                            self._send(line)
                    else:
                        self._ended(channel)
        finally:
            for _, process in self._children.values():
                _kill(process)

    def _lines(self, channel: int, content: bytes) -> list[bytes]:
        """The whole lines so far; the rest is kept for the next read."""
        *lines, rest = (self._rest.get(channel, b"") + content).split(b"\n")
        self._rest[channel] = rest
        return [line + b"\n" for line in lines]

    def _request(self, request: dict[str, Any]) -> None:
        if "job" in request:
            self._fork(request["job"])
        elif "end" in request:
            self._ending = True
            for _, process in self._children.values():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGTERM)
        elif "stop" in request:
            for job, process in self._children.values():
                if job == request["stop"]:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(process, signal.SIGTERM)
        else:
            for job, process in self._children.values():
                if job == request["kill"]:
                    _kill(process)

    def _fork(self, job: dict[str, Any]) -> None:
        read, write = os.pipe()
        process = os.fork()
        if process == 0:
            status = 1
            try:
                os.setpgid(0, 0)
                os.close(read)
                self._selector.close()
                for channel in self._children:
                    os.close(channel)
                redirect_output(job["log"])
                os.close(self._messages)
                perform(job, write)
                sys.stdout.flush()
                sys.stderr.flush()
                status = 0
            finally:
                os._exit(status)
        os.close(write)
        self._children[read] = (job["id"], process)
        self._selector.register(read, selectors.EVENT_READ)

    def _ended(self, channel: int) -> None:
        job, process = self._children.pop(channel)
        self._selector.unregister(channel)
        os.close(channel)
        self._rest.pop(channel, None)
        _, status = os.waitpid(process, 0)
        self._send(json.dumps({"id": job, "died": os.waitstatus_to_exitcode(status)}).encode() + b"\n")

    def _send(self, line: bytes) -> None:
        while line:
            line = line[os.write(self._messages, line) :]


def _kill(process: int) -> None:
    """Kill a child and what it started."""
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(process, signal.SIGKILL)


def main() -> None:
    """Serve on standard input and output; whatever else prints goes nowhere."""
    requests, messages = os.dup(0), os.dup(1)
    redirect_output(None)
    for name in sys.argv[1:]:
        importlib.import_module(name)
    with contextlib.suppress(BrokenPipeError):
        Server(requests, messages).serve()
    os._exit(0)  # an interpreter that has imported torch takes a second to end


if __name__ == "__main__":
    main()
