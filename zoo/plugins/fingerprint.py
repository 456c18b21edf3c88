"""Fingerprints of installed distributions: version and hash of the files. Imports no plugin."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

CORE = ("genzoo", "torch")  # what every job needs, whatever plugins it uses

_RECORDED = ("torch",)  # too large to be read for each comparison: what its RECORD says of the files


@dataclass(frozen=True)
class Fingerprint:
    """The version of an installed distribution, and the SHA-256 of its modules."""

    version: str
    sha256: str


def fingerprints(names: Iterable[str]) -> dict[str, Fingerprint]:
    """Return the fingerprint of each distribution; those that are not installed are left out."""
    found = {name: _fingerprint(name) for name in sorted(set(names))}
    return {name: each for name, each in found.items() if each is not None}


def mismatch(required: Mapping[str, Fingerprint]) -> str:
    """Return how the installed distributions differ from the required ones, in one clause; "" if they do not."""
    found = fingerprints(required)
    return "; ".join(
        _difference(name, found.get(name), wanted) for name, wanted in required.items() if found.get(name) != wanted
    )


def wheel_fingerprint(wheel: Path) -> Fingerprint:
    """Return the fingerprint that the distribution of a wheel will have once it is installed."""
    with zipfile.ZipFile(wheel) as archive:
        info = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        distribution = importlib.metadata.PathDistribution(zipfile.Path(archive, info.removesuffix("METADATA")))
        return Fingerprint(distribution.version, _hash(_packed_modules(archive, _roots(distribution))))


def _difference(name: str, found: Fingerprint | None, wanted: Fingerprint) -> str:
    if found is None:
        return f"{name} {wanted.version} is not installed"
    if found.version != wanted.version:
        return f"{name} is {found.version}, not {wanted.version}"
    return f"{name} {wanted.version} has other files (sha256 {found.sha256[:12]}, not {wanted.sha256[:12]})"


def _fingerprint(name: str) -> Fingerprint | None:
    try:
        distribution = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return None
    files = _recorded if name in _RECORDED else _modules
    return Fingerprint(distribution.version, _hash(files(distribution)))


def _hash(files: Iterable[tuple[str, bytes]]) -> str:
    digest = hashlib.sha256()
    for path, content in sorted(files):
        digest.update(f"{path}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def _recorded(distribution: importlib.metadata.Distribution) -> Iterator[tuple[str, bytes]]:
    """Each line of the RECORD with a hash, without metadata and scripts, which hold the path of an environment."""
    for line in (distribution.read_text("RECORD") or "").splitlines():
        first = line.partition("/")[0]
        if "sha256=" in line and first != ".." and not first.endswith(".dist-info"):
            yield line, b""


def _modules(distribution: importlib.metadata.Distribution) -> Iterator[tuple[str, bytes]]:
    """Path and content of each file of a distribution's packages and modules, wherever they are imported from."""
    for module in _roots(distribution):
        try:
            spec = importlib.util.find_spec(module)
        except (ImportError, ValueError):
            continue
        if spec is None:
            continue
        if spec.submodule_search_locations is None:
            if spec.origin:
                yield module, Path(spec.origin).read_bytes()
            continue
        for place in spec.submodule_search_locations:
            for path in Path(place).rglob("*"):
                if path.is_file() and path.suffix != ".pyc":
                    yield f"{module}/{path.relative_to(place).as_posix()}", path.read_bytes()


def _packed_modules(archive: zipfile.ZipFile, roots: set[str]) -> Iterator[tuple[str, bytes]]:
    """Path and content of each file of packages and modules in a wheel, as `_modules` yields them."""
    for file in archive.namelist():
        first, _, rest = file.partition("/")
        if first.removesuffix(".py") in roots and not file.endswith(("/", ".pyc")):
            yield file if rest else first.removesuffix(".py"), archive.read(file)


def _roots(distribution: importlib.metadata.Distribution) -> set[str]:
    """Names of the packages and modules: those of the files, and of the entry points where it is installed editable."""
    found = {entry.module.partition(".")[0] for entry in distribution.entry_points}
    for file in distribution.files or ():
        first = PurePosixPath(file).parts[0]
        if first.startswith(("__editable__", "_editable")) or first.endswith((".dist-info", ".egg-info")):
            continue
        if len(file.parts) == 1 and first.endswith(".py"):
            found.add(first.removesuffix(".py"))
        elif file.parts[1:] == ("__init__.py",):
            found.add(first)
    return found
