"""The lock file `pylock.zoo.toml`: the installed wheels, from which `zoo sync` restores plugins after an upgrade.

It is in the user's configuration folder (or in `ZOO_CONFIG`), outside the environment that an upgrade replaces, and is
a lock file of PEP 751: pip and uv restore the plugins from it as well. Wheels that are not on an index, because they
were built from a folder or given as a file, are stored next to it. The zoo's own facts are in `[packages.tool.zoo]`.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from zoo.errors import ConfigError, PluginError
from zoo.files.addresses import redacted, without_credentials
from zoo.files.storage import write_atomically
from zoo.installation.pip import Pip
from zoo.installation.plan import InstallPlan, InstallStep, core_versions, installed_version, locate, versions_with
from zoo.installation.request import Request

FILE = "pylock.zoo.toml"
SCHEMA = 2
_EARLIER = "plugins.lock"  # of schema 1, in JSON: read until the next installation or removal replaces it


@dataclass(frozen=True)
class Locked:
    """An installed distribution: a plugin, or a dependency of one.

    Attributes:
        sha256: hash of its wheel.
        url: address of its wheel on an index; "" if the wheel is stored, or in a lock file of an earlier version.
        wheel: file name of its stored wheel; "" if it comes from an index.
        publisher: who published it, as the index said; "" if that is unknown.
        source: origin of a plugin as shown to the user; "" for a dependency.
        dependencies: version of each distribution that a plugin needs, other than those of the core.
        brought: dependencies that were installed with it and were not installed before.
    """

    name: str
    version: str
    sha256: str
    url: str = ""
    wheel: str = ""
    publisher: str = ""
    source: str = ""
    dependencies: dict[str, str] = field(default_factory=dict)
    brought: list[str] = field(default_factory=list)

    def request(self) -> Request:
        """Return the request that reinstalls it.

        Raises:
            ConfigError: if its stored wheel no longer exists.
        """
        if not self.wheel:
            return Request("index", f"{self.name}=={self.version}", self.name, self.sha256, ours=True)
        path = wheels_folder() / self.wheel
        if not path.is_file():
            raise ConfigError(f"The stored wheel {path} does not exist; install {self.name} from its source again.")
        return Request("wheel", str(path), self.name, self.sha256, ours=True)


def read_lock() -> dict[str, Locked]:
    """Return the plugins and their dependencies by name.

    Raises:
        ConfigError: if the file cannot be read.
    """
    file = _folder() / FILE
    if not file.exists() and (earlier := _folder() / _EARLIER).exists():
        file = earlier
    try:
        text = file.read_text(encoding="utf-8")
        document = json.loads(text) if file.name == _EARLIER else tomllib.loads(text)
        schema, wanted = (
            (document["schema"], 1) if file.name == _EARLIER else (document["tool"]["zoo"]["schema"], SCHEMA)
        )
        if schema != wanted:
            raise ConfigError(f"{file} must have schema {wanted}, got {schema!r}; update zoo.")
        found = [Locked(**each) for each in document["plugins"]] if file.name == _EARLIER else _entries(document)
        return {each.name: each for each in found}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"Cannot read the lock file {file}: {error}. Repair or remove it.") from None


def locked_plugins() -> dict[str, Locked]:
    """Return the plugins of the lock file, without their dependencies; see `read_lock`."""
    return {name: each for name, each in read_lock().items() if each.source}


def record(plan: InstallPlan, wheels: Path, source: str, pip: Pip) -> None:
    """Add an installation to the lock file, with the wheels of its dependencies, and store what is not on an index.

    Args:
        plan: what was installed.
        wheels: the folder of its wheels.
        source: origin of the plugin as shown to the user.
        pip: finds the hashes of dependencies that were installed already.
    """
    plugin, locked = plan.plugin, read_lock()
    brought = {each.name for each in plan.steps if not each.requested and not each.replaces}
    if before := locked.get(plugin.name):
        brought.update(before.brought)
    for step in plan.steps:
        old = locked.get(step.name, Locked(step.name, "", ""))
        locked[step.name] = replace(_entry(step, wheels), source=old.source, brought=old.brought)
    locked[plugin.name] = replace(locked[plugin.name], source=redacted(source), brought=sorted(brought))
    core = core_versions()
    for name, each in locked.items():
        if each.source and installed_version(name) == each.version:
            needs = {other: version for other, version in versions_with(name).items() if other not in {name, *core}}
            locked[name] = replace(each, dependencies=needs)
    needed = locked[plugin.name].dependencies
    missing = {name: version for name, version in needed.items() if not _has(locked, name, version)}
    for step in locate(missing, pip):
        locked[step.name] = _entry(step, Path(url2pathname(urlsplit(step.url).path)).parent)
    _write(locked)


def check_unchanged(plan: InstallPlan, locked: dict[str, Locked]) -> None:
    """Refuse a plan with a wheel that is not the locked one.

    Raises:
        PluginError: naming the distribution and both hashes.
    """
    for step in plan.steps:
        if step.name in locked and step.sha256 != (wanted := locked[step.name].sha256):
            raise PluginError(
                f"{step.name} {step.version} must have the SHA-256 {wanted} of the lock file, got {step.sha256}; it is "
                "another file."
            )


def forget(names: Iterable[str]) -> None:
    """Remove distributions from the lock file, with their stored wheels."""
    locked = read_lock()
    if gone := locked.keys() & set(names):
        _write({name: each for name, each in locked.items() if name not in gone})


def wheels_folder() -> Path:
    """Return the folder of the stored wheels."""
    return _folder() / "wheels"


def _has(locked: dict[str, Locked], name: str, version: str) -> bool:
    return name in locked and locked[name].version == version


def _entry(step: InstallStep, wheels: Path) -> Locked:
    """Return what a step installed, after storing its wheel if it is not on an index."""
    facts = Locked(step.name, step.version, step.sha256, publisher=step.publisher)
    if step.url.startswith("http"):
        return replace(facts, url=without_credentials(step.url))
    name = Path(url2pathname(urlsplit(step.url).path)).name
    wheels_folder().mkdir(parents=True, exist_ok=True)
    if wheels != wheels_folder():
        shutil.copy(wheels / name, wheels_folder() / name)
    return replace(facts, wheel=name)


def _entries(document: dict[str, Any]) -> list[Locked]:
    """Return the distributions of a lock file."""
    found = []
    for package in document["packages"]:
        (wheel,) = package["wheels"]
        stored, facts = PurePosixPath(wheel.get("path", "")).name, package.get("tool", {}).get("zoo", {})
        locked = Locked(package["name"], package["version"], wheel["hashes"]["sha256"], wheel.get("url", ""), stored)
        found.append(replace(locked, **facts))
    return found + [Locked(name, **facts) for name, facts in document["tool"]["zoo"].get("unlocated", {}).items()]


def _write(locked: dict[str, Locked]) -> None:
    """Write the lock file and remove wheels that are no longer needed; remove the file if it would be empty.

    A distribution without an address, from a lock file of an earlier version, is kept apart, outside PEP 751's list.
    """
    folder = _folder()
    kept = _with_their_dependencies(locked)
    if kept:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / FILE, _text(kept).encode())
    else:
        (folder / FILE).unlink(missing_ok=True)
    (folder / _EARLIER).unlink(missing_ok=True)
    for wheel in wheels_folder().glob("*.whl"):
        if wheel.name not in {each.wheel for each in kept}:
            wheel.unlink()
    with contextlib.suppress(OSError):  # wheels are stored there, or it does not exist
        wheels_folder().rmdir()


def _with_their_dependencies(locked: dict[str, Locked]) -> list[Locked]:
    """Return the plugins, and the distributions that one of them needs, sorted by name."""
    needed = {name for each in locked.values() if each.source for name in each.dependencies}
    return [each for name, each in sorted(locked.items()) if each.source or name in needed]


def _text(packages: list[Locked]) -> str:
    """Return the lock file as TOML."""
    lines = [
        f"# Written by zoo. Where zoo is broken: pip install -r {FILE}, or uv pip install -r {FILE}",
        'lock-version = "1.0"',
        'created-by = "genzoo"',
    ]
    for each in packages:
        if each.url or each.wheel:
            name = each.wheel or PurePosixPath(unquote(urlsplit(each.url).path)).name
            place = {"path": f"wheels/{each.wheel}"} if each.wheel else {"url": each.url}
            wheel = {"name": name, **place, "hashes": {"sha256": each.sha256}}
            lines += ["", "[[packages]]", *_lines({"name": each.name, "version": each.version, "wheels": [wheel]})]
            if facts := _facts(each):
                lines += ["", "[packages.tool.zoo]", *_lines(facts)]
    lines += ["", "[tool.zoo]", f"schema = {SCHEMA}"]
    for each in packages:
        if not each.url and not each.wheel:
            known = {"version": each.version, "sha256": each.sha256, **_facts(each)}
            lines += ["", f"[tool.zoo.unlocated.{each.name}]", *_lines(known)]
    return "\n".join([*lines, ""])


def _facts(locked: Locked) -> dict[str, Any]:
    """Return what PEP 751 has no field for, as far as it is known."""
    names = ("publisher", "source", "dependencies", "brought")
    return {name: value for name in names if (value := getattr(locked, name))}


def _lines(table: dict[str, Any]) -> list[str]:
    return [f"{key} = {_toml(value)}" for key, value in table.items()]


def _toml(value: Any) -> str:
    """Return a text, list or dictionary as a TOML value in one line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {_toml(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")  # as in JSON but for DEL


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _toml(key)


def _folder() -> Path:
    from platformdirs import user_config_path

    given = os.environ.get("ZOO_CONFIG")
    return Path(given) if given else user_config_path("genzoo")
