"""Files of a data set with known SHA-256: found in a folder, or fetched once.

They are looked for in the folder that is given (`ZOO_DATA`, or its subfolder NAME), in the system package's folder, and
in the cache. A file counts only if its content is the right one, gzipped or not. A mirror can be chosen with
`ZOO_MIRROR`, whose subfolder NAME then holds the files.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from zoo.errors import DataError
from zoo.files.addresses import redacted
from zoo.files.storage import cache_folder, write_atomically

_SYSTEM = Path("/usr/share")
_LARGEST = 2**30  # bytes of one unpacked file
_BLOCK = 2**20
_TIMEOUT = 30  # seconds without an answer


@dataclass(frozen=True)
class DataFile:
    """A file by its name without `.gz`, and the SHA-256 of its unpacked content (mirrors pack anew)."""

    name: str
    sha256: str


@runtime_checkable
class Fetched(Protocol):
    """A data set plugin with files that can be had ahead of use, by `zoo data fetch`."""

    def fetch(self, folder: Path | None) -> list[Path]:
        """Return the paths of its files, after fetching what is missing."""


def fetch_files(name: str, files: Iterable[DataFile], mirror: str, folder: Path | None) -> list[Path]:
    """The paths of a data set's files, plain or gzipped.

    Args:
        name: of the data set, and of its folder.
        files: what it consists of.
        mirror: the address of the folder with the `.gz` files; `ZOO_MIRROR` takes its place.
        folder: where to look first; None looks in the system's folder and the cache only.

    Raises:
        DataError: if they are nowhere and cannot be fetched, or what was fetched is something else.
    """
    wanted = list(files)
    places = [*([folder / name, folder] if folder else []), _SYSTEM / f"dataset-{name}"]
    for place in places:
        found = [_present(place, file) for file in wanted]
        if all(found):
            return [path for path in found if path]
    cache = cache_folder("data", name)
    address = os.environ.get("ZOO_MIRROR")
    source = f"{address.rstrip('/')}/{name}/" if address else mirror
    looked = ", ".join(map(str, [*places, cache]))
    return [_present(cache, file) or _fetched(file, source, cache, looked) for file in wanted]


def _present(place: Path, file: DataFile) -> Path | None:
    paths = (place / file.name, place / f"{file.name}.gz")
    return next((path for path in paths if path.is_file() and _content(path) == file.sha256), None)


def _fetched(file: DataFile, source: str, cache: Path, looked: str) -> Path:
    """Download one file, check it, and put it into the cache."""
    import pooch

    url, path = f"{source}{file.name}.gz", cache / f"{file.name}.gz"
    shown = redacted(url)
    partial = cache / f".{file.name}.{os.getpid()}.gz"
    way_out = "Put the files into a folder and name it with ZOO_DATA, or choose a mirror with ZOO_MIRROR."
    try:
        pooch.HTTPDownloader(timeout=_TIMEOUT)(url, str(partial), None)
        content = _content(partial)
        if content != file.sha256:
            raise DataError(f"{shown} is not what it should be: {content} instead of SHA-256 {file.sha256}. {way_out}")
        write_atomically(path, partial.read_bytes())
    except DataError:
        raise
    except Exception as error:  # whatever the network and the library raise
        raise DataError(f"Not found in {looked}; and {shown} cannot be fetched: {_reason(error)}. {way_out}") from None
    finally:
        partial.unlink(missing_ok=True)
    return path


def _reason(error: Exception) -> str:
    """One clause; an answer of the server says more than the library's name for it."""
    response = getattr(error, "response", None)
    if response is not None:
        response.close()  # the library leaves it open
        return f"the server answers {response.status_code} {response.reason}"
    return getattr(error, "strerror", None) or f"no whole answer ({type(error).__name__})"


def _content(path: Path) -> str:
    """SHA-256 of the unpacked content, or what is wrong with it in a few words."""
    digest, size = hashlib.sha256(), 0
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
                size += len(block)
                if size > _LARGEST:
                    return f"more than {_LARGEST:,} bytes"
    except (EOFError, zlib.error, gzip.BadGzipFile):
        return "no whole gzip file"
    except OSError as error:
        return f"a file that cannot be read ({error.strerror or error})"
    return digest.hexdigest()
