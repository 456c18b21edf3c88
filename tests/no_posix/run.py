"""`python tests/no_posix/run.py`: the core of the tests, and commands compared, where POSIX is hidden."""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
CORE = ["storage", "folder_lock", "startup", "training", "resume", "model"]
#: tests that use POSIX themselves: file permissions, and SIGKILL for other processes
OTHERS = ["follow_the_umask", "a_killed_holder", "stands_still"]


def pytest(*arguments, **environment):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-o", "addopts=--import-mode=importlib"]
    return subprocess.run([*command, *arguments], cwd=HERE.parents[1], env=os.environ | environment).returncode


if __name__ == "__main__":
    files = [f"tests/test_{name}.py" for name in CORE]
    but = " and ".join(f"not {name}" for name in OTHERS)
    hidden = pytest("-m", "not slow and not documents", "-k", but, *files, PYTHONPATH=str(HERE))
    sys.exit(hidden or pytest("tests/test_no_posix.py"))
