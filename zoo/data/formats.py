"""The formats of user files: which one a file has, told by its content first and then by its extension.

A format's reader is a module of `zoo.data.readers` with a function `read(path, options) -> Contents`. Where a file can
be larger than the memory, it also has `blocks(path, options, values)`, an iterator of contents of about so many values
each. It is imported when it is needed. Imports neither torch nor NumPy.
"""

from __future__ import annotations

import bz2
import gzip
import importlib
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import IO, TYPE_CHECKING, Literal, cast

from zoo.errors import DataError

if TYPE_CHECKING:
    from zoo.data.contents import Contents
    from zoo.data.options import FileOptions

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm")
_TABLE = ("labels", "columns", "drop", "missing", "na")
_MIXED = ("table", "categorical")  # of tables that may hold words
_HEAD = 4096  # bytes that tell a format


@dataclass(frozen=True)
class Format:
    """A format that is read.

    Attributes:
        name: in messages, "a text table".
        reader: module of `zoo.data.readers`.
        suffixes: extensions, for files whose content does not tell.
        takes: options besides those of every format.
        labels: where labels are: in a column or array of the file, in a file of their own, or in folders.
    """

    name: str
    reader: str
    suffixes: tuple[str, ...]
    takes: tuple[str, ...]
    labels: Literal["inside", "file", "folder"] = "inside"

    def read(self, path: Path, options: FileOptions) -> Contents:
        """Read a file of this format."""
        options.check(self.takes, str(path), self.name)
        read: Callable[[Path, FileOptions], Contents] = self._reader().read
        return read(path, options)

    def blocks(self, path: Path, options: FileOptions, values: int) -> Iterator[Contents]:
        """Read a file of this format in blocks of about `values` values; as a whole if the format has no blocks."""
        options.check(self.takes, str(path), self.name)
        blocks: Callable[[Path, FileOptions, int], Iterator[Contents]] | None
        blocks = getattr(self._reader(), "blocks", None)
        return blocks(path, options, values) if blocks else iter([self.read(path, options)])

    def _reader(self) -> ModuleType:
        return importlib.import_module(f"zoo.data.readers.{self.reader}")


NPY = Format("a NumPy array", "npy", (".npy",), (*_TABLE, "channels"), "file")
NPZ = Format("an .npz file", "npz", (".npz",), ("array", *_TABLE, "channels"))
IDX = Format("an IDX file", "idx", (".idx", ".ubyte"), (*_TABLE, "channels"), "file")
TEXT = Format(
    "a text table",
    "text",
    (".csv", ".tsv", ".txt", ".dat", ".data", ".amat", ".tab"),
    (*_TABLE, *_MIXED, "header", "separator"),
)
FOLDER = Format("a folder of images", "images", (), ("labels", "size", "channels", "background"), "folder")
ARFF = Format("an ARFF table", "arff", (".arff",), (*_TABLE, *_MIXED))
PARQUET = Format("a Parquet table", "parquet", (".parquet", ".pq"), (*_TABLE, *_MIXED))
MAT = Format("a MATLAB file", "mat", (".mat",), ("array", "examples", *_TABLE, "channels"))
HDF5 = Format("an HDF5 file", "hdf5", (".h5", ".hdf5", ".hdf"), ("array", "examples", *_TABLE, "channels"))
COMPRESSED = Format(
    "a compressed file",
    "packed",
    (".gz", ".bz2", ".xz"),
    (*_TABLE, *_MIXED, "header", "separator", "array", "channels"),
    "file",
)
ZIP = Format(
    "a .zip archive",
    "packed",
    (".zip",),
    (*_TABLE, *_MIXED, "header", "separator", "array", "channels", "size", "background"),
)
FORMATS = (NPY, NPZ, IDX, TEXT, FOLDER, ARFF, PARQUET, MAT, HDF5, COMPRESSED, ZIP)

_PICKLES = (".pkl", ".pickle", ".pt", ".pth", ".joblib", ".p")
_MAGIC = (
    (b"\x93NUMPY", NPY),
    (b"PAR1", PARQUET),
    (b"\x89HDF\r\n\x1a\n", HDF5),
    (b"MATLAB 7.3", HDF5),
    (b"MATLAB 5.0", MAT),
)
_REFUSED = (
    (b"ARROW1", "is a Feather file; write it as Parquet"),
    (b"\xd0\xcf\x11\xe0", "is an old Office document; save it as CSV"),
    (b"SQLite format 3", "is a SQLite database; write the table as CSV or Parquet"),
    (b"\xff\xfe", "is UTF-16 text; save it as UTF-8"),
    (b"\xfe\xff", "is UTF-16 text; save it as UTF-8"),
    (b"%PDF", "is a PDF document; write the numbers as CSV"),
)
_PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"P5", b"P6")


def format_of(path: Path) -> Format:
    """Return the format of a file or folder.

    Raises:
        DataError: for a format that is not read, with the way out; pickles are refused because loading one runs code.
    """
    if path.is_dir():
        return FOLDER
    head, suffix = _head(path), path.suffix.lower()
    if head[:1] == b"\x80" or (suffix in _PICKLES and head):
        raise DataError(_pickle(path))
    for magic, known in _MAGIC:
        if head.startswith(magic):
            return known
    for magic, reason in _REFUSED:
        if head.startswith(magic):
            raise DataError(f"{path} {reason}.")
    if head[:2] == b"\x1f\x8b" and suffix != ".gz" and path.name.endswith("-ubyte"):
        return IDX
    if head.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ")):
        return COMPRESSED
    if head.startswith(b"PK"):
        return _zip(path)
    if any(head.startswith(magic) for magic in _PICTURES) and suffix in IMAGES:
        raise DataError(f"{path} is a single image; give the folder that contains the images.")
    if len(head) > 3 and head[:2] == b"\0\0" and head[2] in (8, 9, 11, 12, 13, 14):
        return IDX
    named = next((each for each in FORMATS if suffix in each.suffixes), None)
    if b"\0" not in head and suffix != ".arff" and not _is_binary(named):
        return _text(path, head, named)
    if named is None and path.name.endswith("-ubyte"):
        named = IDX
    if named is None:
        readable = ", ".join(dict.fromkeys(ending for each in FORMATS for ending in each.suffixes))
        raise DataError(f"{path} has no format that is read: text tables, {readable}, and folders of images.")
    return named


def has_named_columns(path: Path) -> bool:
    """Whether a file is a table whose columns may have names, compressed or not."""
    form = format_of(path)
    if form is COMPRESSED:
        with unpacked(path) as stream:
            return not stream.read(_HEAD).startswith((b"\x93NUMPY", b"\0\0"))
    if form is ZIP:
        with zipfile.ZipFile(path) as archive:
            return any(Path(name).suffix.lower() in TEXT.suffixes for name in archive.namelist())
    return form in (TEXT, ARFF, PARQUET)


def unpacked(path: Path) -> IO[bytes]:
    """Open the content of a compressed file."""
    with path.open("rb") as file:
        magic = file.read(2)
    if magic == b"\x1f\x8b":
        return cast(IO[bytes], gzip.open(path, "rb"))
    return cast(IO[bytes], bz2.open(path, "rb") if magic == b"BZ" else lzma.open(path, "rb"))


def _is_binary(named: Format | None) -> bool:
    return named is not None and named not in (TEXT, ARFF)


def _text(path: Path, head: bytes, named: Format | None) -> Format:
    """Return the format of a file without NUL bytes."""
    start = head.lstrip(b"\xef\xbb\xbf").lstrip()
    lines = (line.strip().lower() for line in start.splitlines())
    if next((line for line in lines if line and not line.startswith(b"%")), b"").startswith(b"@relation"):
        return ARFF
    if start[:1] == b"{" or start[:2] in (b"[[", b"[{"):
        raise DataError(f"{path} is JSON; write the numbers as CSV, .npy or Parquet.")
    if start[:1] == b"<":
        raise DataError(f"{path} is XML or HTML; write the numbers as CSV.")
    if named is None and head:
        try:
            head.decode("utf-8")
        except UnicodeDecodeError as error:
            if error.start < len(head) - 4:
                raise DataError(
                    f"{path} has no format that is read: neither text in UTF-8 nor a known binary format."
                ) from None
    return TEXT


def _zip(path: Path) -> Format:
    """Return the format of a zip archive: arrays of NumPy, a pickle of torch, an office document, or files."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return NPZ if path.suffix.lower() == ".npz" else ZIP
    if any(name.endswith("/data.pkl") or name == "data.pkl" for name in names):
        raise DataError(_pickle(path))
    if "[Content_Types].xml" in names:
        raise DataError(f"{path} is an Office document; save it as CSV.")
    if path.suffix.lower() == ".npz" or (names and all(name.endswith(".npy") for name in names)):
        return NPZ
    return ZIP


def _pickle(path: Path) -> str:
    return (
        f"{path} is a pickle, which is not read: loading one runs whatever code it contains. Load it where you trust "
        "it, and save its array with numpy.save or numpy.savez."
    )


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_HEAD)
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror or error}.") from None


ERRORS = (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError)
