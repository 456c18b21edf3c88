"""Hides what POSIX alone has from this process and its children: Python imports this file at its start.

The standard library keeps what it needs itself. The zoo and its plugins find no fork, no `fcntl`, no `select` on pipes
and no signal but those of Windows, where any signal from another process ends it at once.
"""

import builtins
import os
import signal
import subprocess

MODULES = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "select", "selectors", "syslog", "termios", "tty"}
FUNCTIONS = {
    os: "fork forkpty setpgid getpgid killpg setsid fchmod fchown pread pwrite sched_getaffinity nice",
    signal: "SIGALRM SIGCHLD SIGHUP SIGKILL SIGQUIT SIGUSR1 SIGUSR2 alarm pthread_kill pthread_sigmask setitimer",
}

_import, _kill, _signal, _KILL = builtins.__import__, os.kill, signal.signal, signal.SIGKILL


def import_(name, globals=None, locals=None, fromlist=(), level=0):
    importer = (globals or {}).get("__name__", "").partition(".")[0]
    if name.partition(".")[0] in MODULES and (importer == "zoo" or importer.startswith("zoo_")):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    return _import(name, globals, locals, fromlist, level)


def kill(process, number):
    if number == 0:
        raise OSError("[WinError 87] 0 is the number of Ctrl-C here")
    _kill(process, _KILL)


def send_signal(self, number):
    if number != signal.SIGTERM:
        raise ValueError(f"Unsupported signal: {number}")
    self.kill()


def set_handler(number, handler):
    if number not in (signal.SIGINT, signal.SIGTERM, signal.SIGABRT, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV):
        raise ValueError("invalid signal value")
    return _signal(number, handler)


for module, names in FUNCTIONS.items():
    for name in names.split():
        delattr(module, name)
builtins.__import__, os.kill, signal.signal = import_, kill, set_handler
subprocess.Popen.send_signal = send_signal
subprocess.Popen.kill = subprocess.Popen.terminate = lambda self: self.poll() is None and _kill(self.pid, _KILL)
