"""The catalogue `registry.toml`: known plugins, installed or not, and the default comparison.

It is read at start-up, so its schema is checked without pydantic, and no plugin is imported.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field, fields, replace
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from zoo.contract.names import PLUGIN_NAME
from zoo.errors import ConfigError, did_you_mean

SCHEMA = 1
SHIPPED = Path(__file__).parents[1] / "registry.toml"
LARGEST = 10**6  # bytes

# Texts that reach pip or name a plugin: none of them is empty, reads as an option, or has markup.
_TEXTS: dict[str, tuple[re.Pattern[str], str]] = {
    "name": (PLUGIN_NAME, "lower-case letters, digits and single hyphens, starting with a letter"),
    "package": (PLUGIN_NAME, "lower-case letters, digits and single hyphens, starting with a letter"),
    "superseded_by": (re.compile(f"({PLUGIN_NAME.pattern})?"), "the name of a plugin"),
    "group": (re.compile(r"zoo\.[a-z]+"), "a group of entry points, such as zoo.models"),
    "entry_point": (re.compile(r"\w+(\.\w+)*:\w+(\.\w+)*", re.ASCII), "MODULE:NAME"),
    "version": (re.compile(r"\d[\w.!+-]*", re.ASCII), "a version, such as 1.0"),
    "requires_core": (re.compile(r"[\w<>=!~.,* ]*", re.ASCII), "versions, such as >=0.1,<0.2"),
    "requires_python": (re.compile(r"[\w<>=!~.,* ]*", re.ASCII), "versions, such as >=3.11"),
}
_FOLDER = re.compile(r"[\w.-]+(/[\w.-]+)*", re.ASCII)


@dataclass(frozen=True)
class Release:
    """A version of a plugin.

    Attributes:
        source: `index` (the package index), the https address of a wheel, or a folder relative to the catalogue's.
        sha256: of its wheel; "" for a folder.
        yanked: why it should not be installed; "" if it is not yanked.
        conformance: the verdict of `zoo check`; "" if it is unknown.
    """

    version: str
    source: str
    sha256: str = ""
    yanked: str = ""
    conformance: str = ""


@dataclass(frozen=True)
class Entry:
    """A plugin of the catalogue: its origin and capabilities, known without importing it.

    Attributes:
        tier: who maintains it: `official` (the zoo's authors), `example` (a template for third-party plugins), or
            `community`.
        likelihood: `yes`, `no`, or `declared` (if the user has to declare a noise model first); `true`, `false` and
            `"declared"` in the file.
        capabilities: its optional hooks.
        supports: the kinds of data that it can be trained on: `bits`, `unit`, `real`.
        published: whether the package of this name on the package index is this plugin. If it is not, the name could
            be taken by others, and nothing is installed from the index.
        superseded_by: name of the plugin to use instead.
        releases: its versions.
    """

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
    likelihood: str = "no"
    capabilities: list[str] = field(default_factory=list)
    supports: list[str] = field(default_factory=list)
    published: bool = False
    superseded_by: str = ""
    releases: tuple[Release, ...] = ()


@dataclass(frozen=True)
class DefaultComparison:
    """The defaults of `zoo compare`.

    Attributes:
        controls: the control rows that `--full` adds.
        table_controls: those that it adds for tables only, because they are good models of small images.
        metrics: the order of the columns; metrics that are not listed follow.
    """

    contestants: list[str]
    data: str
    seeds: int
    controls: list[str] = field(default_factory=list)
    table_controls: list[str] = field(default_factory=list)
    metrics: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Catalogue:
    """The content of a `registry.toml`; the folders of its releases are relative to `folder`."""

    entries: tuple[Entry, ...]
    compare: DefaultComparison
    folder: Path

    def find(self, name: str, group: str = "zoo.models") -> Entry | None:
        """Return the entry of this name, or None."""
        return next((entry for entry in self.entries if (entry.name, entry.group) == (name, group)), None)


def read_catalogue(path: Path = SHIPPED) -> Catalogue:
    """Read and check a catalogue.

    Raises:
        ConfigError: naming the file, and the entry and key that are invalid.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise ConfigError(f"The catalogue {path} must have at most {LARGEST:,} bytes; remove old releases.")
        document = tomllib.loads(content.decode())
    except OSError as error:
        raise ConfigError(f"Cannot read the catalogue {path}: {error.strerror or error}.") from None
    except (ValueError, RecursionError) as error:  # not UTF-8, not TOML, numbers of too many digits, or too deep
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
    entries = tuple(_entry(table, f"plugin {number} of {path}") for number, table in enumerate(tables, 1))
    names = [(entry.group, entry.name) for entry in entries]
    if doubles := sorted({name for group, name in names if names.count((group, name)) > 1}):
        raise ConfigError(f"The catalogue {path} lists twice: {', '.join(doubles)}.")
    compare = _checked(DefaultComparison, document.get("compare", {}), f"[compare] of {path}")
    if not compare.contestants or compare.seeds < 1:
        raise ConfigError(f"[compare] of {path} must list contestants, and seeds must be at least 1.")
    return Catalogue(entries, compare, path.resolve().parent)


def _entry(table: Any, where: str) -> Entry:
    """Return a plugin with its releases, after checking that their sources are allowed."""
    tables = table.get("release", []) if isinstance(table, dict) else []
    if not isinstance(tables, list):
        raise ConfigError(f"{where} must list its releases as [[plugin.release]].")
    releases = tuple(_checked(Release, each, f"release {number} of {where}") for number, each in enumerate(tables, 1))
    plain = {key: value for key, value in table.items() if key != "release"} if isinstance(table, dict) else table
    if isinstance(plain, dict) and "likelihood" in plain:
        plain["likelihood"] = _likelihood(plain["likelihood"], where)
    entry: Entry = _checked(Entry, plain, where)
    for release in releases:
        if fault := _fault(release, entry):
            raise ConfigError(f"Release {release.version!r} in {where} {fault}.")
    return replace(entry, releases=releases)


def _likelihood(value: Any, where: str) -> str:
    """Return `yes`, `no` or `declared` for `true`, `false` or `"declared"`."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value != "declared":
        raise ConfigError(f"likelihood in {where} must be true, false or 'declared', got {value!r}.")
    return "declared"


def _fault(release: Release, entry: Entry) -> str:
    """Return what is invalid in a release as a clause, or ""."""
    if release.sha256 and not re.fullmatch("[0-9a-f]{64}", release.sha256):
        return f"has the sha256 {release.sha256!r}; it must be 64 lower-case hexadecimal digits"
    if release.source == "index":
        return "" if entry.published else "has the source 'index', which requires published = true"
    if release.source.startswith("https://"):
        if ".." in PurePosixPath(unquote(urlsplit(release.source).path)).parts:
            return f"has the source {release.source!r}; an address must not contain '..'"
        return "" if release.sha256 else "has an address as source, which requires the wheel's sha256"
    if ":" in release.source:
        return f"has the source {release.source!r}; it must be 'index', an https address, or a folder"
    if not _FOLDER.fullmatch(release.source) or ".." in PurePosixPath(release.source).parts:
        return f"has the source {release.source!r}; a folder must be relative, inside the catalogue's folder and ASCII"
    return ""


def _checked(cls: type[Any], table: Any, where: str) -> Any:
    """Build `cls` from a TOML table after checking that the keys and types match its fields."""
    kinds = {"str": str, "bool": bool, "int": int, "list[str]": list}
    if not isinstance(table, dict):
        raise ConfigError(f"{where} must be a table.")
    known = {each.name: kinds[str(each.type)] for each in fields(cls) if str(each.type) in kinds}
    for key, value in table.items():
        if key not in known:
            raise ConfigError(f"{where} has the unknown key {key!r}.{did_you_mean(key, known)}")
        if type(value) is not known[key]:
            raise ConfigError(f"{key} in {where} must be a {known[key].__name__}, got {value!r}.")
        for text in value if isinstance(value, list) else [value] if isinstance(value, str) else []:
            if not isinstance(text, str) or not text.isprintable():
                raise ConfigError(f"{key} in {where} must be printable text, got {text!r}.")
        if key in _TEXTS and not _TEXTS[key][0].fullmatch(str(value)):
            rule = _TEXTS[key][1]
            raise ConfigError(f"{key} in {where} must be {rule}; got {value!r}.")
    try:
        return cls(**table)
    except TypeError as error:
        raise ConfigError(f"{where} is incomplete: {str(error).partition('missing')[2].strip() or error}.") from None
