"""Blocked plugins, which are never imported: by an environment variable, `-p no:NAME`, or `zoo plugins disable`.

`ZOO_NO_PLUGINS` lists names, separated by commas; `all` blocks every plugin except the core's own. The persistent list
of `zoo plugins disable` is in the user's configuration folder, or in the folder `ZOO_CONFIG`.
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
    """Blocked names: plugins, qualified names or distributions.

    Attributes:
        environment: from `ZOO_NO_PLUGINS` and `-p`.
        disabled: from the persistent list.
    """

    environment: frozenset[str] = frozenset()
    disabled: frozenset[str] = frozenset()

    @classmethod
    def read(cls) -> Blocklist:
        """Read the environment and the persistent list."""
        given = os.environ.get(VARIABLE, "")
        return cls(frozenset(name.strip() for name in given.split(",") if name.strip()), frozenset(read_disabled()))

    def reason(self, name: str, distribution: str) -> str:
        """Return why the plugin `name` of `distribution` is blocked, or "" if it is not."""
        names = {name, distribution, f"{distribution}/{name}"}
        if names & self.disabled:
            return f"it is disabled; 'zoo plugins enable {name}' enables it again"
        if (names | {ALL}) & self.environment:
            return f"-p no:… or {VARIABLE} blocks it"
        return ""


#: blocks nothing
NOTHING = Blocklist()


def read_disabled() -> list[str]:
    """Return the names on the persistent list, sorted."""
    try:
        lines = _file().read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"Cannot read {_file()}: {error}. Correct or remove the file.") from None
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
