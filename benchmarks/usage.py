"""What a command uses: shared by the benchmarks that measure whole processes."""

import os
import resource
import subprocess
import sys
from typing import Any


def usage(command: list[str], **more: Any) -> resource.struct_rusage:
    """Run a command without its output, and return what it and its processes used; exit if it fails.

    `ru_maxrss` is that of the largest process, in KiB; `more` are arguments of `subprocess.Popen`.
    """
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, **more)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed")
    return used
