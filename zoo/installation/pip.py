"""pip in a separate process, with arguments passed as a list and errors condensed to one line."""

from __future__ import annotations

import importlib.util
import platform
import re
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo.errors import ConfigError, PluginError
from zoo.files.addresses import redacted

_NETWORK = re.compile(
    r"NewConnectionError|ConnectTimeoutError|Failed to establish a new connection|Temporary failure in name resolution"
    r"|Network is unreachable|Failed to connect|Could not resolve host|ProxyError|Connection refused|SSLError"
)


@dataclass(frozen=True)
class Pip:
    """The pip of the running Python.

    Args:
        offline: folder of wheels to use instead of the package index; None uses the index.
        stored: another folder of wheels, used as well; None uses none.
    """

    offline: Path | None = None
    stored: Path | None = None

    def run(self, command: str, options: Sequence[str], packages: Sequence[str] = (), *, what: str) -> str:
        """Run `pip COMMAND OPTIONS -- PACKAGES` and return its output.

        Args:
            command: `install`, `download`, `wheel`, `uninstall` or `config`.
            options: options of that command; none of them comes from outside this package.
            packages: requirements, paths or URLs; they follow `--`, so that pip never reads them as options.
            what: name of what is installed or removed, for messages.

        Raises:
            PluginError: if pip fails, with the reason in one line and without passwords.
        """
        common = ["--no-input", "--disable-pip-version-check", "--no-color"]
        sources = [] if command in ("uninstall", "config") else self._sources()
        arguments = [sys.executable, "-P", "-m", "pip", command, *common, *sources, *options]
        done = subprocess.run(
            [*arguments, *(["--", *packages] if packages else [])],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
        said = redacted(done.stdout)
        if done.returncode != 0:
            raise PluginError(f"{what}: {explain(said, self.offline)}")
        return said

    def index(self) -> str:
        """Return the address of the package index, as pip is configured."""
        lines = self.run("config", ["list"], what="pip").splitlines()
        found = dict(line.partition("=")[::2] for line in lines)
        names = (f"{place}.index-url" for place in (":env:", "install", "global"))
        return next((found[name].strip("'") for name in names if name in found), "https://pypi.org/simple")

    def _sources(self) -> list[str]:
        stored = ["--find-links", str(self.stored)] if self.stored and self.stored.is_dir() else []
        if self.offline is None:
            return ["--retries", "1", *stored]
        return ["--isolated", "--no-index", "--find-links", str(self.offline), *stored]


def check_environment() -> None:
    """Refuse an environment in which nothing can be installed.

    Raises:
        ConfigError: if pip is missing, or this Python belongs to the system's package manager.
    """
    if importlib.util.find_spec("pip") is None:
        raise ConfigError("This environment has no pip, which genzoo requires; get it with: pip install pip")
    marker = Path(sysconfig.get_path("stdlib")) / "EXTERNALLY-MANAGED"
    if sys.prefix == sys.base_prefix and marker.exists():
        raise ConfigError(
            "This Python belongs to the system's package manager; install the zoo and its plugins in a virtual "
            "environment: python -m venv FOLDER"
        )


def explain(said: str, offline: Path | None) -> str:
    """Return the reason of a failure in one line, from pip's output."""
    if conflict := re.search(r"The conflict is caused by:\n((?:[ \t]+.*\n)+)", said):
        return _conflict([line.strip() for line in conflict[1].splitlines() if line.strip()])
    if python := re.search(r"requires a different Python: (\S+) not in '([^']*)'", said):
        return f"it needs Python {python[2]}, but this is Python {python[1]}. Choose another version."
    if "DO NOT MATCH THE HASHES" in said:
        return "the file has another hash than planned; it may have been tampered with. Nothing was installed."
    if _NETWORK.search(said):
        return "the package index or the repository cannot be reached. Check the network, or use --offline FOLDER."
    if "No matching distribution found" in said or "Could not find a version" in said:
        return _nothing(said, offline)
    if "Cannot find command 'git'" in said:
        return "it needs git, which is not on the PATH."
    return f"pip failed: {_reason(said).rstrip('.')}."


def _reason(said: str) -> str:
    """Return the most informative line: git's error, the exception that ended a build, or pip's first error."""
    for pattern in (r"^\s*fatal: (.+)", r"^\s*((?:\w+\.)*\w*(?:Error|Exception|Unavailable): .+)"):
        if found := re.findall(pattern, said, re.MULTILINE):
            return str(found[-1])
    errors = re.findall(r"^\s*error: (.+)", said, re.MULTILINE | re.IGNORECASE)
    return str(errors[0]) if errors else "no reason given"


def _conflict(lines: list[str]) -> str:
    """Return the conflicting requirements and the versions that must not change."""
    fixed = [line.partition("(constraint) ")[2] for line in lines if "(constraint) " in line]
    wants = [line for line in lines if "(constraint) " not in line]
    kept = f"; but {', '.join(fixed)} must not change (needed by genzoo or in the lock file)" if fixed else ""
    return f"{'; '.join(wants)}{kept}. Choose another version."


def _nothing(said: str, offline: Path | None) -> str:
    found = re.search(r"(?:No matching distribution found for|satisfies the requirement) ([^\s(]+)", said)
    what = found[1] if found else "it"
    if pythons := re.findall(r"Requires-Python (\S+?)[;\s]", said):
        return f"{what} needs Python {pythons[-1]}, but this is Python {platform.python_version()}."
    if offline is not None:
        return f"{offline} has no wheel of {what} for this Python."
    return f"the index has no wheel of {what} for this Python."
