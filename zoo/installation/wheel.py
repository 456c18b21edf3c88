"""Metadata of a wheel, read without installing it: name, requirements, files and plugins."""

from __future__ import annotations

import configparser
import hashlib
import zipfile
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from zoo.contract.hookspecs import GROUPS
from zoo.errors import PluginError
from zoo.plugins.plugin import CORE


@dataclass(frozen=True)
class Wheel:
    """The metadata of a wheel.

    Attributes:
        name: normalised name of the distribution.
        requires_core: required versions of genzoo; "" for any.
        addresses: requirements given by URL instead of by name.
        plugins: (group, name) of each of its plugins.
    """

    path: Path
    name: str
    version: str
    sha256: str
    requires_core: str
    requires_python: str
    addresses: tuple[str, ...]
    files: tuple[str, ...]
    plugins: tuple[tuple[str, str], ...]


def read_wheel(path: Path) -> Wheel:
    """Read a wheel's metadata.

    Raises:
        PluginError: if it is not a valid wheel.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            files = tuple(name for name in archive.namelist() if not name.endswith("/"))
            headers = HeaderParser().parsestr(_metadata(archive, files, "METADATA"))
            entry_points = _metadata(archive, files, "entry_points.txt")
        name, version = headers["Name"], headers["Version"]
        if not name or not version:
            raise PluginError(f"{path.name} is not a valid wheel: its metadata lacks a name or a version.")
        needed = [Requirement(line) for line in headers.get_all("Requires-Dist", [])]
        return Wheel(
            path,
            canonicalize_name(name),
            version,
            sha256_of(path),
            _core_versions(needed),
            headers["Requires-Python"] or "",
            tuple(str(each) for each in needed if each.url is not None),
            files,
            _plugins(entry_points),
        )
    except (OSError, zipfile.BadZipFile, UnicodeDecodeError, configparser.Error, InvalidRequirement) as error:
        raise PluginError(f"{path.name} is not a valid wheel: {error}.") from None


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _metadata(archive: zipfile.ZipFile, files: tuple[str, ...], name: str) -> str:
    """Return the text of a file in the wheel's .dist-info folder, or "" if it does not exist."""
    found = [file for file in files if file.endswith(f".dist-info/{name}") and file.count("/") == 1]
    return archive.read(found[0]).decode() if found else ""


def _core_versions(needed: list[Requirement]) -> str:
    return ",".join(
        str(each.specifier)
        for each in needed
        if canonicalize_name(each.name) == CORE
        and each.specifier
        and (each.marker is None or each.marker.evaluate({"extra": ""}))
    )


def _plugins(entry_points: str) -> tuple[tuple[str, str], ...]:
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]  # names are case-sensitive
    parser.read_string(entry_points)
    return tuple((group, name) for group in GROUPS if parser.has_section(group) for name in parser[group])
