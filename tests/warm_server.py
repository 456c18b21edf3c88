"""A warm server for the tests: it forks tasks, commands and scripts into the environment and folder of their caller."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from zoo.engine.processes import ForkServerExecutor


class WarmServer(ForkServerExecutor):
    """One server for all tests of a process, which would otherwise have the environment and folder of its start."""

    def launch(self, fn, args=(), kwargs=None, **more):
        here = (dict(os.environ), os.getcwd(), fn.__module__, fn.__qualname__)
        return super().launch(call, (*here, list(args), dict(kwargs or {})), **more)

    def command(self, *words, folder=".", path=(), **environment):
        """`zoo …` in a process of its own, which need not import torch again; `path` goes in front of `sys.path`."""
        return self.script("from zoo.cli.main import main; main()", *words, folder=folder, path=path, **environment)

    def script(self, source, *words, folder=".", path=(), stderr=None, **environment):
        """`python -c SOURCE …` in such a process; `stderr` may be a terminal."""
        with tempfile.TemporaryDirectory() as scratch:
            output = [f"{scratch}/stdout", stderr or f"{scratch}/stderr"]
            words, path = ([str(each) for each in many] for many in (words, path))
            code = self.submit(script, source, words, str(folder), path, environment, output).result()
            texts = [None if file == stderr else Path(file).read_text() for file in output]
            return subprocess.CompletedProcess(source, code, *texts)


def call(environment, folder, module, name, args, kwargs):
    """In a task's process: call a function there."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    return getattr(importlib.import_module(module), name)(*args, **kwargs)


def script(source, words, folder, path, environment, output):
    """In a task's process: run a script, and return its exit code."""
    os.chdir(folder)
    os.environ.update(environment)
    sys.path[:0] = path
    sys.argv = ["zoo", *words]
    for standard, file in enumerate(output, 1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), standard)
    try:
        exec(compile(source, "script", "exec"), {"__name__": "__main__"})
    except SystemExit as ended:
        return ended.code
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0
