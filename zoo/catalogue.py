"""The catalogue `registry.toml`: plugins that are known, installed or not, and the default comparison.

It is read at start-up, so its schema is checked by hand: neither pydantic nor any plugin is imported.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from zoo.errors import ConfigError, did_you_mean

SCHEMA = 1
SHIPPED = Path(__file__).with_name("registry.toml")


@dataclass(frozen=True)
class Entry:
    """One plugin of the catalogue: where it comes from and what it can do, said without importing it."""

    name: str
    group: str
    package: str
    entry_point: str
    summary: str
    tier: str
    requires_core: str
    requires_python: str
    licence: str
    paper: str = ""
    trains_on: str = ""
    latent: str = ""
    likelihood: bool = False


@dataclass(frozen=True)
class DefaultComparison:
    """What `zoo compare` does when it is given nothing; `controls` are the rows that `--full` adds.

    `metrics` is the order of the columns; a metric that is not named follows them.
    """

    contestants: list[str]
    data: str
    seeds: int
    controls: list[str] = field(default_factory=list)
    metrics: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Catalogue:
    """The content of a `registry.toml`."""

    entries: tuple[Entry, ...]
    compare: DefaultComparison

    def find(self, name: str, group: str = "zoo.models") -> Entry | None:
        """The entry of this name, or None."""
        return next((entry for entry in self.entries if (entry.name, entry.group) == (name, group)), None)


def read_catalogue(path: Path = SHIPPED) -> Catalogue:
    """Read and check a catalogue.

    Raises:
        ConfigError: naming the file, the entry and the key that is wrong.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"Cannot read the catalogue {path}: {error.strerror or error}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"The catalogue {path} must be TOML: {error}.") from None
    if document.get("schema") != SCHEMA:
        raise ConfigError(
            f"The catalogue {path} must have schema = {SCHEMA}, got {document.get('schema')!r}; update zoo."
        )
    if unknown := set(document) - {"schema", "compare", "plugin"}:
        raise ConfigError(f"The catalogue {path} has unknown keys: {', '.join(sorted(unknown))}.")
    tables = document.get("plugin", [])
    if not isinstance(tables, list):
        raise ConfigError(f"The catalogue {path} must list its plugins as [[plugin]].")
    entries = tuple(_checked(Entry, table, f"plugin {number} of {path}") for number, table in enumerate(tables, 1))
    names = [(entry.group, entry.name) for entry in entries]
    if doubles := sorted({name for group, name in names if names.count((group, name)) > 1}):
        raise ConfigError(f"The catalogue {path} lists twice: {', '.join(doubles)}.")
    compare = _checked(DefaultComparison, document.get("compare", {}), f"[compare] of {path}")
    texts = [*compare.contestants, *compare.controls, *compare.metrics]
    if not compare.contestants or not all(isinstance(text, str) for text in texts) or compare.seeds < 1:
        raise ConfigError(f"[compare] of {path} needs a list of contestants and 1 seed at least.")
    return Catalogue(entries, compare)


def _checked(cls: type[Any], table: Any, where: str) -> Any:
    """Build `cls` from a TOML table whose keys and types match its fields."""
    kinds = {"str": str, "bool": bool, "int": int, "list[str]": list}
    if not isinstance(table, dict):
        raise ConfigError(f"{where} must be a table.")
    known = {each.name: kinds[str(each.type)] for each in fields(cls)}
    for key, value in table.items():
        if key not in known:
            raise ConfigError(f"{where} has the unknown key {key!r}.{did_you_mean(key, known)}")
        if type(value) is not known[key]:
            raise ConfigError(f"{key} in {where} must be a {known[key].__name__}, got {value!r}.")
    try:
        return cls(**table)
    except TypeError as error:
        raise ConfigError(f"{where} is incomplete: {str(error).partition('missing')[2].strip() or error}.") from None
