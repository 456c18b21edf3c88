"""Blocked plugins: never imported, by an environment variable, by `-p no:NAME`, or for good by `zoo plugins disable`.

`ZOO_NO_PLUGINS` lists names, separated by commas; `all` blocks everything but the core's own. The persistent list lies
in the user's configuration folder, or in `ZOO_CONFIG`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from zoo.errors import ConfigError

VARIABLE = "ZOO_NO_PLUGINS"
ALL = "all"


@dataclass(frozen=True)
class Blocklist:
    """Names of plugins, qualified names or distributions, each list with where it comes from."""

    environment: frozenset[str] = frozenset()
    disabled: frozenset[str] = frozenset()

    @classmethod
    def read(cls) -> Blocklist:
        """What the environment and the configuration block."""
        given = os.environ.get(VARIABLE, "")
        return cls(frozenset(name.strip() for name in given.split(",") if name.strip()), frozenset(read_disabled()))

    def reason(self, name: str, distribution: str) -> str:
        """Why the plugin `name` of `distribution` is blocked, or "" if it is not."""
        names = {name, distribution, f"{distribution}/{name}"}
        if names & self.disabled:
            return f"it is disabled; 'zoo plugins enable {name}' takes that back"
        if (names | {ALL}) & self.environment:
            return f"-p no:… or {VARIABLE} blocks it"
        return ""


#: blocks no plugin
NOTHING = Blocklist()


def read_disabled() -> list[str]:
    """The names on the persistent list, sorted."""
    try:
        lines = _file().read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"Cannot read {_file()}: {error}. Mend or remove it.") from None
    return sorted({line.strip() for line in lines if line.strip()})


def write_disabled(names: list[str]) -> None:
    """Replace the persistent list."""
    from zoo.files.storage import write_atomically

    file = _file()
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, "".join(f"{name}\n" for name in sorted(set(names))).encode())


def _file() -> Path:
    from platformdirs import user_config_path

    given = os.environ.get("ZOO_CONFIG")
    return (Path(given) if given else user_config_path("genzoo")) / "disabled-plugins.txt"
