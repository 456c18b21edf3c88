"""Data set files with a known SHA-256: found in a local folder, or downloaded once into the cache.

Search order: the given folder (`ZOO_DATA`, or its subfolder NAME), the system package's folder, the cache. A file,
gzipped or not, is accepted only if the hash of its unpacked content matches. `ZOO_MIRROR` selects a mirror, whose
subfolder NAME must hold the files.
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
    """A file: its name without `.gz`, and the SHA-256 of its unpacked content (mirrors may compress it differently)."""

    name: str
    sha256: str


@runtime_checkable
class Fetched(Protocol):
    """A data set plugin whose files can be downloaded in advance, by `zoo data fetch`."""

    def fetch(self, folder: Path | None) -> list[Path]:
        """Download missing files and return the paths of all files."""


def fetch_files(name: str, files: Iterable[DataFile], mirror: str, folder: Path | None) -> list[Path]:
    """Return the paths of a data set's files, plain or gzipped, after downloading missing ones.

    Args:
        name: name of the data set and of its folder.
        files: the files of the data set.
        mirror: address of the folder with the `.gz` files; `ZOO_MIRROR` overrides it.
        folder: searched first; None searches only the system folder and the cache.

    Raises:
        DataError: if a file is not found and cannot be downloaded, or the download has unexpected content.
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
    """Download one file, verify its hash, and store it in the cache."""
    import pooch

    url, path = f"{source}{file.name}.gz", cache / f"{file.name}.gz"
    shown = redacted(url)
    partial = cache / f".{file.name}.{os.getpid()}.gz"
    way_out = "Put the files into a folder and set ZOO_DATA to it, or choose a mirror with ZOO_MIRROR."
    try:
        pooch.HTTPDownloader(timeout=_TIMEOUT)(url, str(partial), None)
        content = _content(partial)
        if content != file.sha256:
            raise DataError(f"{shown} has unexpected content: {content} instead of SHA-256 {file.sha256}. {way_out}")
        write_atomically(path, partial.read_bytes())
    except DataError:
        raise
    except Exception as error:  # the network and the library raise many kinds
        message = f"Not found in {looked}, and {shown} cannot be downloaded: {_reason(error)}. {way_out}"
        raise DataError(message) from None
    finally:
        partial.unlink(missing_ok=True)
    return path


def _reason(error: Exception) -> str:
    """Return the cause in one clause; the server's status is more informative than the name of the exception."""
    response = getattr(error, "response", None)
    if response is not None:
        response.close()  # requests leaves it open
        return f"the server answered {response.status_code} {response.reason}"
    return getattr(error, "strerror", None) or f"no complete response ({type(error).__name__})"


def _content(path: Path) -> str:
    """Return the SHA-256 of the unpacked content, or a few words on why it cannot be computed."""
    digest, size = hashlib.sha256(), 0
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
                size += len(block)
                if size > _LARGEST:
                    return f"more than {_LARGEST:,} bytes"
    except (EOFError, zlib.error, gzip.BadGzipFile):
        return "a truncated or corrupt gzip file"
    except OSError as error:
        return f"an unreadable file ({error.strerror or error})"
    return digest.hexdigest()
