"""The lock file: which plugins were installed, exactly, so that `zoo sync` restores them after an upgrade.

It lies in the user's configuration folder (or in `ZOO_CONFIG`), outside of the environment that an upgrade replaces.
Wheels that no index has, built from a folder or given as a file, are kept beside it.
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
    """A plugin's distribution as it was installed.

    Attributes:
        sha256: of its wheel.
        source: where it came from, for people.
        wheel: the name of its kept wheel; "" if the index has it.
        dependencies: version of each distribution that it needs and that the core does not bring.
        brought: those that were installed with it, and were not there before.
    """

    name: str
    version: str
    sha256: str
    source: str
    wheel: str = ""
    dependencies: dict[str, str] = field(default_factory=dict)
    brought: list[str] = field(default_factory=list)

    def request(self) -> Request:
        """What restores it.

        Raises:
            ConfigError: if its wheel was kept and is gone.
        """
        if not self.wheel:
            return Request("index", f"{self.name}=={self.version}", self.name, self.sha256, ours=True)
        path = _folder() / "wheels" / self.wheel
        if not path.is_file():
            raise ConfigError(f"The kept wheel {path} is gone; install {self.name} from its source again.")
        return Request("wheel", str(path), self.name, self.sha256, ours=True)


def read_lock() -> dict[str, Locked]:
    """What was installed, by distribution.

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
        raise ConfigError(f"Cannot read the lock file {file}: {error}. Mend or remove it.") from None


def record(plan: InstallPlan, wheel: Wheel, source: str) -> None:
    """Remember an installation, and keep the plugin's wheel if no index has it."""
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
    """Remove a distribution from the lock file, and its wheel if that was kept."""
    locked = read_lock()
    if gone := locked.pop(name, None):
        if gone.wheel:
            wheel = _folder() / "wheels" / gone.wheel
            wheel.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # others are kept there
                wheel.parent.rmdir()
        _write(locked)


def _write(locked: dict[str, Locked]) -> None:
    """Write the lock file, or remove it if there is nothing to remember."""
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
