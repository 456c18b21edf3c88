"""The lock file: the exact plugins that were installed, from which `zoo sync` restores them after an upgrade.

It is in the user's configuration folder (or in `ZOO_CONFIG`), outside the environment that an upgrade replaces. Wheels
that are not on an index, because they were built from a folder or given as a file, are stored next to it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from zoo.errors import ConfigError
from zoo.files.addresses import redacted
from zoo.files.storage import write_atomically
from zoo.installation.plan import InstallPlan, core_versions, versions_with
from zoo.installation.request import Request
from zoo.installation.wheel import Wheel

SCHEMA = 1


@dataclass(frozen=True)
class Locked:
    """An installed distribution of plugins.

    Attributes:
        sha256: hash of its wheel.
        source: origin as shown to the user.
        wheel: file name of its stored wheel; "" if it comes from the index.
        dependencies: version of each distribution that it needs, other than those of the core.
        brought: dependencies that were installed with it and were not installed before.
    """

    name: str
    version: str
    sha256: str
    source: str
    wheel: str = ""
    dependencies: dict[str, str] = field(default_factory=dict)
    brought: list[str] = field(default_factory=list)

    def request(self) -> Request:
        """Return the request that reinstalls it.

        Raises:
            ConfigError: if its stored wheel no longer exists.
        """
        if not self.wheel:
            return Request("index", f"{self.name}=={self.version}", self.name, self.sha256, ours=True)
        path = _folder() / "wheels" / self.wheel
        if not path.is_file():
            raise ConfigError(f"The stored wheel {path} does not exist; install {self.name} from its source again.")
        return Request("wheel", str(path), self.name, self.sha256, ours=True)


def read_lock() -> dict[str, Locked]:
    """Return the installed distributions by name.

    Raises:
        ConfigError: if the file cannot be read.
    """
    file = _folder() / "plugins.lock"
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        if document["schema"] != SCHEMA:
            raise ConfigError(f"{file} must have schema {SCHEMA}, got {document['schema']!r}; update zoo.")
        return {each["name"]: Locked(**each) for each in document["plugins"]}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"Cannot read the lock file {file}: {error}. Repair or remove it.") from None


def record(plan: InstallPlan, wheel: Wheel, source: str) -> None:
    """Add an installation to the lock file, and store the plugin's wheel if it is not from an index."""
    step = plan.plugin
    kept = "" if step.url.startswith("http") else wheel.path.name
    core = core_versions()
    brought = {each.name for each in plan.steps if not each.requested and not each.replaces}
    locked = read_lock()
    before = locked.pop(step.name, None)
    locked[step.name] = Locked(
        step.name,
        step.version,
        step.sha256,
        redacted(source),
        kept,
        {name: version for name, version in versions_with(step.name).items() if name not in {step.name, *core}},
        sorted(brought.union(before.brought if before else [])),
    )
    folder = _folder() / "wheels"
    if kept and wheel.path != folder / kept:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(wheel.path, folder / kept)
    if before and before.wheel not in ("", kept):
        (folder / before.wheel).unlink(missing_ok=True)
    _write(locked)


def forget(name: str) -> None:
    """Remove a distribution from the lock file, with its stored wheel if there is one."""
    locked = read_lock()
    if gone := locked.pop(name, None):
        if gone.wheel:
            wheel = _folder() / "wheels" / gone.wheel
            wheel.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # other wheels are stored there
                wheel.parent.rmdir()
        _write(locked)


def _write(locked: dict[str, Locked]) -> None:
    """Write the lock file, or remove it if it would be empty."""
    folder = _folder()
    if not locked:
        (folder / "plugins.lock").unlink(missing_ok=True)
        return
    folder.mkdir(parents=True, exist_ok=True)
    plugins: list[dict[str, Any]] = [asdict(locked[name]) for name in sorted(locked)]
    text = json.dumps({"schema": SCHEMA, "plugins": plugins}, indent=2)
    write_atomically(folder / "plugins.lock", f"{text}\n".encode())


def _folder() -> Path:
    from platformdirs import user_config_path

    given = os.environ.get("ZOO_CONFIG")
    return Path(given) if given else user_config_path("genzoo")
