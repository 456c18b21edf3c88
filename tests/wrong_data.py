"""Invalid data: how to create each case, and its error message. `docs/errors.md` shows this list.

In a message `…` replaces what varies: a path, a count.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class Wrong:
    """Some data that are refused: `make` writes them into a folder and returns the value of `--data`."""

    situation: str
    message: str
    make: Callable[[Path], str]

    def __str__(self) -> str:
        return self.situation


def matches(message: str, text: str) -> bool:
    """Whether a text is this message, in one line."""
    return re.fullmatch(".+?".join(map(re.escape, message.split("…"))), text) is not None


def png(width: int, height: int, mode: str = "L", value: int | tuple[int, ...] = 7, **options) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (width, height), value).save(buffer, "PNG", **options)
    return buffer.getvalue()


def moving_png() -> bytes:
    buffer = io.BytesIO()
    first, second = Image.new("L", (2, 2), 7), Image.new("L", (2, 2), 8)
    first.save(buffer, "PNG", save_all=True, append_images=[second])
    return buffer.getvalue()


def png_header(width: int, height: int, colours: int = 0) -> bytes:
    """A PNG that declares a size but contains no pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colours, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def idx(x: np.ndarray, sides: tuple[int, ...] | None = None, kind: int = 8) -> bytes:
    """An IDX file of big-endian values, with a header that may declare other dimensions."""
    sides = x.shape if sides is None else sides
    return bytes([0, 0, kind, len(sides)]) + struct.pack(f">{len(sides)}I", *sides) + x.tobytes()


def npy(x: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, x, allow_pickle=True)
    return buffer.getvalue()


def npy_header(shape: tuple[int, ...], kind: str = "<f8") -> bytes:
    """An `.npy` file that declares a shape but contains no values."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": kind, "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def zipped(method: int = zipfile.ZIP_DEFLATED, **members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return buffer.getvalue()


def bomb() -> bytes:
    """An `.npz` whose directory declares four arrays of 2^32 - 1 bytes and more."""
    content = bytearray(zipped(**{f"x{i}": b"0123456789abcdef" for i in range(5)}))
    places = [match.start() for match in re.finditer(b"PK\x01\x02", bytes(content))]
    for place in places[:4]:
        content[place + 24 : place + 28] = struct.pack("<I", 2**32 - 1)
    return bytes(content)


def damaged() -> bytes:
    """An uncompressed `.npz` with one flipped bit among the values."""
    buffer = io.BytesIO()
    np.savez(buffer, x=NUMBERS)
    content = bytearray(buffer.getvalue())
    content[content.index(b"PK\x01\x02") - 5] ^= 1
    return bytes(content)


def file(name: str, content: bytes | str, settings: str = "") -> Callable[[Path], str]:
    def make(folder: Path) -> str:
        path = folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return f"{path}{settings}"

    return make


def sparse(name: str, content: bytes, size: int) -> Callable[[Path], str]:
    """A sparse file, zeros after its content, which takes no space on the disk."""

    def make(where: Path) -> str:
        (where / name).write_bytes(content)
        os.truncate(where / name, size)
        return str(where / name)

    return make


def folder(settings: str = "", **files: bytes) -> Callable[[Path], str]:
    """A folder of PNG files; `a__b` is `b.png` in the subfolder `a`."""

    def make(where: Path) -> str:
        for name, content in files.items():
            path = where / "pictures" / f"{name.replace('__', '/')}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        (where / "pictures").mkdir(exist_ok=True)
        return f"{where / 'pictures'}{settings}"

    return make


def cmyk(where: Path) -> str:
    (where / "pictures").mkdir()
    Image.new("CMYK", (2, 2)).save(where / "pictures" / "a.jpg")
    return str(where / "pictures")


def csv(text: str, settings: str = "") -> Callable[[Path], str]:
    return file("table.csv", text, settings)


def with_labels(labels: np.ndarray) -> Callable[[Path], str]:
    """Twelve examples, and a file of labels beside them."""

    def make(where: Path) -> str:
        (where / "y.npy").write_bytes(npy(labels))
        return file("x.npy", npy(NUMBERS), f":labels={where / 'y.npy'}")(where)

    return make


def pipe(where: Path) -> str:
    os.mkfifo(where / "x.npy")
    return str(where / "x.npy")


GOOD = "".join(f"{i},{i / 2},{'ab'[i % 2]}\n" for i in range(12))
X = np.arange(0, 240, 5, dtype=np.uint8).reshape(12, 2, 2)
NUMBERS = np.arange(24.0).reshape(12, 2)

CSV = [
    Wrong("an empty table", "…table.csv is empty.", csv(" \n")),
    Wrong("a header and nothing else", "…table.csv has a header but no values.", csv("a,b\n")),
    Wrong("a line of another length", "…table.csv, line 3: 2 columns expected, got 3.", csv("a,b\n1,2\n1,2,3\n")),
    Wrong(
        "text in a named column",
        "…table.csv, line 2, column 'kind': a number expected, got 'a'; keep words as categories with table=mixed, "
        "leave them out with drop=kind, or name the column of classes with labels=kind.",
        csv("x,y,kind\n" + GOOD.replace("0,", "1,")),
    ),
    Wrong(
        "text in a column without a name",
        "…table.csv, line 1, column 2: a number expected, got 'a'; keep words as categories with table=mixed, "
        "leave them out with drop=2, or name the column of classes with labels=2.",
        csv(GOOD),
    ),
    Wrong(
        "an empty cell",
        "…table.csv, line 2, column 1: no value, and 1 of 2 rows lack one; choose missing=drop (leave those rows out), "
        "missing=mean, missing=NUMBER or drop=1 (that column).",
        csv("1,2\n1,\n"),
    ),
    Wrong(
        "digits with underscores",
        "…table.csv, line 2, column 1: a number expected, got '1_0'; correct it, set na=1_0 if it stands for a missing "
        "value, or drop=1.",
        csv("1,2\n1,1_0\n"),
    ),
    Wrong(
        "nan",
        "…table.csv, line 3, column 'b': no value, and 1 of 2 rows lack one; choose missing=drop (leave those rows "
        "out), missing=mean, missing=NUMBER or drop=b (that column).",
        csv("a,b\n1,2\n1,nan\n"),
    ),
    Wrong("infinity", "…table.csv, line 1, column 0: a finite number expected, got -inf.", csv("-inf,2\n")),
    Wrong(
        "two separators that fit",
        "…table.csv can be read in two ways: separator=comma (3 columns) or separator=semicolon (2 columns); choose "
        "one, got '1,5;2,5'.",
        csv("1,5;2,5\n" * 12),
    ),
    Wrong(
        "decimal commas",
        "…table.csv, line 2, column 'a': a number expected, got '1,5'; write decimal points instead of commas.",
        csv("a;b\n" + "1,5;2,5\n" * 12),
    ),
    Wrong(
        "a separator of two characters",
        "…table.csv is separated by '::', which is not read; replace it by commas, got '1::2'.",
        csv("1::2\n" * 12),
    ),
    Wrong(
        "a first line that may be a header or values",
        "…table.csv, line 1 may be a header or values: 0, 1, 2; write header=yes or header=no.",
        csv("0,1,2\n" + "2,0,1\n0,2,0\n" * 6),
    ),
    Wrong(
        "a column that looks like classes",
        "…table.csv has a column 'label' that looks like classes; write labels=label, or labels=none to read it as a "
        "value.",
        csv("a,label\n" + "0.5,1\n0.7,0\n" * 6),
    ),
    Wrong(
        "pictures with their classes in a column",
        "…table.csv has 65 columns of whole numbers, which look like pictures and, in column 0, their classes; write "
        "labels=0,shape=8x8,scale=255, or labels=none,support=real.",
        csv("".join(f"{i % 2}," + ",".join(["0", "255"] * 32) + "\n" for i in range(12))),
    ),
    Wrong(
        "values that usually stand for missing ones",
        "…table.csv, line 2, column 'a': -999, as 6 values, is far from the others, which are in [1, 1]; if it stands "
        "for a missing value, set na=-999 and missing=drop (or mean, or a number), otherwise na=none.",
        csv("a,b\n" + "-999,2\n1,2\n" * 6),
    ),
    Wrong("a blank line inside", "…table.csv, line 3 is blank; remove it.", csv("a,b\n1,2\n\n1,2\n")),
    Wrong("a duplicate column name", "…table.csv has duplicate column names: a.", csv("a,b,a\n1,2,3\n")),
    Wrong(
        "a column without a name, such as an index",
        "…table.csv: column 0 has no name, as an index has none; leave it out with drop=unnamed, or name it.",
        csv(",a\n0,2\n"),
    ),
    Wrong("other bytes than UTF-8", "…table.csv must be UTF-8 text: … at byte 0.", file("table.csv", b"\xe9,b\n1,2\n")),
    Wrong(
        "an unclosed quote",
        "…table.csv, line 2 must be comma-separated values: unexpected end of data.",
        csv('a,b\n"1,2\n'),
    ),
    Wrong(
        "a missing column of labels",
        "…table.csv has no column 'knid'. Did you mean 'kind'? Columns: x, y, kind.",
        csv("x,y,kind\n" + GOOD, ":labels=knid"),
    ),
    Wrong(
        "a column of labels without a header",
        "…table.csv has no column 'kind'. It has no header line; its columns are 0 to 1.",
        csv("1,2\n3,4\n", ":labels=kind"),
    ),
    Wrong(
        "labels that are words and numbers",
        "…table.csv, line 3, column 'kind': classes must be all words or all numbers, got '2' after 'a'.",
        csv("x,kind\n1,a\n1,2\n", ":labels=kind"),
    ),
    Wrong(
        "a missing label",
        "…table.csv, line 3, column 'kind': classes must be all words or all numbers, got nothing.",
        csv("x,kind\n1,a\n1,\n", ":labels=kind"),
    ),
    Wrong(
        "labels that are not whole numbers",
        "The labels of table.csv must be whole numbers, got float64 with 0.5.",
        csv("x,kind\n" + "1,1\n1,0.5\n" * 6, ":labels=kind"),
    ),
    Wrong(
        "a table of more than a gibibyte",
        "…table.csv has 1,073,741,825 bytes; the limit for a table is 1,073,741,824. Use .npy instead.",
        sparse("table.csv", b"a,b\n", 2**30 + 1),
    ),
    Wrong(
        "nothing but labels",
        "table.csv must have shape (N, …) with N at least 10, got (10, 0).",
        csv("kind\n" + "1\n" * 10, ":labels=kind"),
    ),
]

IDX = [
    Wrong(
        "a wrong magic number",
        "…x.idx is not an IDX file: it must start with 00 00, a type code and the number of dimensions, got 01 00 …",
        file("x.idx", b"\1" + idx(X)[1:]),
    ),
    Wrong(
        "an unknown type",
        "…x.idx is not an IDX file: it must start with …, got 00 00 0a 03.",
        file("x.idx", idx(X, kind=10)),
    ),
    Wrong(
        "no dimensions",
        "…x.idx is not an IDX file: it must start with …, got 00 00 08 00.",
        file("x.idx", idx(X, ())),
    ),
    Wrong(
        "too many dimensions",
        "…x.idx is not an IDX file: it must start with …, got 00 00 08 21.",
        file("x.idx", idx(X, (1,) * 33)),
    ),
    Wrong("an empty IDX file", "…x.idx is not an IDX file: it must start with …, got nothing.", file("x.idx", b"")),
    Wrong(
        "a truncated header",
        "…x.idx is truncated: its header must list 3 dimensions, got 6 bytes.",
        file("x.idx", idx(X)[:10]),
    ),
    Wrong("a dimension of 0", "…x.idx must contain values, got dimensions 0 × 2 × 2.", file("x.idx", idx(X[:0]))),
    Wrong(
        "truncated values",
        "…x.idx is truncated: 12 × 2 × 2 values need 48 bytes, got 47; download it again.",
        file("x.idx", idx(X)[:-1]),
    ),
    Wrong(
        "truncated values in a whole gzip stream",
        "…x.gz is truncated: 12 × 2 × 2 values need 48 bytes, got 47; download it again.",
        file("x.gz", gzip.compress(idx(X)[:-1])),
    ),
    Wrong(
        "a truncated gzip stream",
        "…x.gz is truncated or corrupt: invalid gzip stream; download it again.",
        file("x.gz", gzip.compress(idx(X))[:-9]),
    ),
    Wrong(
        "a gzip stream with a flipped byte",
        "…x.gz is truncated or corrupt: invalid gzip stream; download it again.",
        file("x.gz", gzip.compress(idx(X))[:10] + b"\xff" + gzip.compress(idx(X))[11:]),
    ),
    Wrong(
        "a gzip stream with a wrong checksum",
        "…x.gz is truncated or corrupt: invalid gzip stream; download it again.",
        file("x.gz", gzip.compress(idx(X))[:-8] + b"\0" * 8),
    ),
    Wrong(
        "bytes after the values",
        "…x.idx is longer than its header says: 12 × 2 × 2 values need 48 bytes.",
        file("x.idx", idx(X) + b"\0"),
    ),
    Wrong(
        "bytes after the values, gzipped",
        "…x.gz is longer than its header says: 12 × 2 × 2 values need 48 bytes.",
        file("x.gz", gzip.compress(idx(X) + b"\0")),
    ),
    Wrong(
        "a header that declares terabytes",
        "…x.idx is truncated: 4000000000 × 1000 values need 4,000,000,000,000 bytes, got 48; download it again.",
        file("x.idx", idx(X, (4_000_000_000, 1000))),
    ),
    Wrong(
        "a header that declares terabytes, gzipped",
        "…x.gz declares 4,000,000,000,000 bytes of values; the limit is 17,179,869,184.",
        file("x.gz", gzip.compress(idx(X, (4_000_000_000, 1000)))),
    ),
]

NUMPY = [
    Wrong(
        "an .npy file of Python objects",
        "…x.npy is not a valid .npy file of numbers: Array can't be memory-mapped: Python objects in dtype.",
        file("x.npy", npy(np.array([[None, 1]] * 10))),
    ),
    Wrong(
        "a pickle",
        "…x.npy is a pickle, which is not read: loading one runs whatever code it contains. Load it where you trust "
        "it, and save its array with numpy.save or numpy.savez.",
        file("x.npy", b"\x80\x04K\x01.          "),
    ),
    Wrong("an empty .npy file", "…x.npy is not a valid .npy file of numbers: EOF: …", file("x.npy", b"")),
    Wrong(
        "a truncated .npy file",
        "…x.npy is not a valid .npy file of numbers: mmap length is greater than file size.",
        file("x.npy", npy(NUMBERS)[:-1]),
    ),
    Wrong(
        "an .npy header that declares terabytes",
        "…x.npy is not a valid .npy file of numbers: mmap length is greater than file size.",
        file("x.npy", npy_header((10**9, 10**3))),
    ),
    Wrong(
        "a second array in an .npy file",
        "…x.npy is longer than its header says: 320 bytes expected, got 640.",
        file("x.npy", npy(NUMBERS) * 2),
    ),
    Wrong(
        "an .npy file of more values than are read",
        "x.npy holds 4,294,967,297 values; more than 4,294,967,296 are not read.",
        sparse("x.npy", npy_header((2**32 + 1,), "|u1"), 2**32 + 1 + 128),
    ),
    Wrong("complex numbers", "x.npy must hold real numbers, got torch.complex128.", file("x.npy", npy(NUMBERS * 1j))),
    Wrong("an array of text", "x.npy must hold numbers, got <U1.", file("x.npy", npy(np.full((10, 2), "a")))),
    Wrong(
        "several arrays in an .npz",
        "…x.npz holds 2 arrays, and their names do not tell which one holds the examples; choose with array=NAME, and "
        "the classes with labels=NAME. Its arrays: x (12, 2), y (12, 2).",
        file("x.npz", zipped(x=npy(NUMBERS), y=npy(NUMBERS))),
    ),
    Wrong(
        "no array in an .npz",
        "…x.npz holds 0 arrays, and their names do not tell which one holds the examples; choose with array=NAME, and "
        "the classes with labels=NAME. Its arrays: none.",
        file("x.npz", zipped()),
    ),
    Wrong(
        "a missing array of labels",
        "…x.npz has no array 'z'. Its arrays: x (12, 2), y (12, 2).",
        file("x.npz", zipped(x=npy(NUMBERS), y=npy(NUMBERS)), ":labels=z"),
    ),
    Wrong(
        "an .npz of Python objects",
        "…x.npz is not a valid .npz file of numbers: Object arrays cannot be loaded when allow_pickle=False.",
        file("x.npz", zipped(x=npy(np.array([[None, 1]] * 10)))),
    ),
    Wrong(
        "an .npz that is not a zip archive",
        "…x.npz is not a valid .npz file of numbers: File is not a zip file.",
        file("x.npz", b"PK"),
    ),
    Wrong(
        "a file in an .npz that is not an array",
        "…x.npz is not a valid .npz file of numbers: the magic string is not correct; …",
        file("x.npz", zipped(x=b"hello, world")),
    ),
    Wrong(
        "a zip bomb: an .npz that declares gigabytes",
        "…x.npz declares 17,179,869,196 bytes of values; the limit is 17,179,869,184.",
        file("x.npz", bomb()),
    ),
    Wrong(
        "an array that declares more values than its .npz contains",
        "…x.npz: the array 'x' declares 8,000,000,000,000 bytes of values, got 0.",
        file("x.npz", zipped(x=npy_header((10**9, 10**3)))),
    ),
    Wrong(
        "an .npy header with a negative dimension",
        "…x.npy is not a valid .npy file of numbers: its header declares the shape (-1,) of |S0.",
        file("x.npy", npy_header((-1,), "|S0")),
    ),
    Wrong(
        "an .npz with another compression than NumPy's",
        "…x.npz must be stored or deflated, as NumPy writes it, got method 14.",
        file("x.npz", zipped(zipfile.ZIP_LZMA, x=npy(NUMBERS))),
    ),
    Wrong(
        "a corrupt .npz",
        "…x.npz is not a valid .npz file of numbers: Bad CRC-32 for file 'x.npy'.",
        file("x.npz", damaged()),
    ),
]

IMAGES = [
    Wrong("an empty folder", "…pictures contains no images (.png, …).", folder()),
    Wrong(
        "images of two sizes",
        "…pictures must contain images of one size: a.png is 3 × 2 and b.png 2 × 3 (width × height); "
        "size=3x2 resizes them.",
        folder(a=png(3, 2), b=png(2, 3)),
    ),
    Wrong("a truncated image", "…a.png is corrupt or truncated: …", folder(a=png(9, 9)[:-25])),
    Wrong(
        "another file with the extension of an image",
        "…a.png is not an image, despite its extension.",
        folder(a=b"hello"),
    ),
    Wrong(
        "an image with too long a side",
        "…a.png is 5000 × 1 pixels; the limit is 4096 per side.",
        folder(a=png_header(5000, 1)),
    ),
    Wrong(
        "a decompression bomb: an image that declares gigapixels",
        "…a.png decodes to far too many pixels; the limit is 4096 per side.",
        folder(a=png_header(60_000, 60_000)),
    ),
    Wrong(
        "images with too many pixels in total",
        "…pictures contains 17,213,423,616 bytes of pixels; the limit is 17,179,869,184.",
        folder(**{f"a{i}": png_header(4096, 4096, colours=2) for i in range(342)}),
    ),
    Wrong(
        "an image with 16 bits",
        "…a.png must be 8-bit grayscale or RGB, got mode I;16; convert it.",
        folder(a=png(2, 2, "I;16")),
    ),
    Wrong(
        "an image with an alpha channel",
        "…a.png has transparent pixels; background=white or background=black says what lies behind them.",
        folder(a=png(2, 2, "RGBA", (1, 2, 3, 4))),
    ),
    Wrong(
        "an image with a transparent colour",
        "…a.png has transparent pixels; background=white or background=black says what lies behind them.",
        folder(a=png(2, 2, transparency=7)),
    ),
    Wrong(
        "an image in CMYK",
        "…a.jpg has the mode CMYK; channels=3 converts it to RGB, channels=1 to gray.",
        cmyk,
    ),
    Wrong(
        "subfolders of splits beside others",
        "…pictures has subfolders of splits beside others: cat, test, train; keep only the splits, or rename them if "
        "they are classes.",
        folder(train__a=png(2, 2), test__a=png(2, 2), cat__a=png(2, 2)),
    ),
    Wrong("an animated image", "…a.png must be a single image, got 2 frames.", folder(a=moving_png())),
    Wrong(
        "images next to subfolders of images",
        "…pictures must contain images, or one subfolder of images per class, not both or deeper ones.",
        folder(a=png(2, 2), b__c=png(2, 2)),
    ),
    Wrong(
        "labels=… for an image folder",
        "…pictures: labels of an image folder come from its subfolders; remove labels=kind.",
        folder(":labels=kind", a=png(2, 2)),
    ),
]

ANY = [
    Wrong("a path that does not exist", "…x.npy does not exist.", lambda where: f"{where / 'x.npy'}"),
    Wrong("a pipe or device", "…x.npy must be a file or a folder.", pipe),
    Wrong(
        "a path that is too long",
        "Cannot read …: File name too long.",
        lambda where: f"{where / ('x' * 999) / 'x.npy'}",
    ),
    Wrong(
        "fewer than 10 examples",
        "x.npy must have shape (N, …) with N at least 10, got (9, 2).",
        file("x.npy", npy(NUMBERS[:9])),
    ),
    Wrong(
        "a one-dimensional array",
        "x.npy must have shape (N, …) with N at least 10, got (12,).",
        file("x.npy", npy(NUMBERS[:, 0])),
    ),
    Wrong(
        "examples without values",
        "x.npy must have shape (N, …) with N at least 10, got (12, 0).",
        file("x.npy", npy(NUMBERS[:, :0])),
    ),
    Wrong(
        "nan among the values",
        "…x.npy, row 3, column 1: no value, and 1 of 12 rows lack one; choose missing=drop (leave those rows out), "
        "missing=mean, missing=NUMBER or drop=1 (that column).",
        file("x.npy", npy(np.where(NUMBERS == 5, np.nan, NUMBERS))),
    ),
    Wrong(
        "whole numbers that may be grayscale values",
        "x.npy holds whole numbers from 0 to 235; give scale=255 if they are grayscale values, or support=real if they "
        "are measurements.",
        file("x.npy", npy(X.astype(np.float64))),
    ),
    Wrong(
        "a table of whole numbers that may be pictures",
        "x.npy holds whole numbers from 0 to 255 in 64 columns, which look like pictures; give shape=8x8,scale=255, or "
        "support=real if they are measurements.",
        file("x.npy", npy(np.tile([0, 255], (12, 32)))),
    ),
    Wrong(
        "bytes that would be nearly black",
        "x.npy holds bytes up to 16, which would be nearly black as grayscale values from 0 to 255; give scale=16, "
        "scale=255 if they are meant so, or support=real.",
        file("x.npy", npy(X // 14)),
    ),
    Wrong(
        "a scale below the values",
        "x.npy must hold values in [0, 16] for scale=16, got [0, 235].",
        file("x.npy", npy(X), ":scale=16"),
    ),
    Wrong(
        "a shape of another size",
        "…x.npy: shape=28x28 needs 784 values per example, got 4; name the columns that are not pixels with "
        "labels=NAME or drop=NAME.",
        file("x.npy", npy(X), ":shape=28x28"),
    ),
    Wrong("a file of an unknown format", "…x.bin has no format that is read: …", file("x.bin", b"\0\1\2\3" * 9)),
    Wrong("JSON", "…x.json is JSON; write the numbers as CSV, .npy or Parquet.", file("x.json", "[[1, 2]]")),
    Wrong(
        "a Parquet file that is corrupt, or without the library that reads it",
        "…x.parquet is …",
        file("x.parquet", b"PAR1" + bytes(200) + b"PAR1"),
    ),
    Wrong(
        "numbers too large for 32 bits",
        "x.npy must hold finite numbers, got numbers too large for 32 bits; remove or fill those examples first.",
        file("x.npy", npy(NUMBERS * 1e300)),
    ),
    Wrong(
        "values outside a declared [0, 1]",
        "x.npy is declared as unit, so its values must be in [0, 1], got values in [0, 23]; rescale them, …",
        file("x.npy", npy(NUMBERS), ":support=unit"),
    ),
    Wrong(
        "grayscale values declared as bits",
        "x.idx is declared as bits, so its values must be 0 or 1, got values in [0, 0.921569]; rescale them, …",
        file("x.idx", idx(X), ":support=bits"),
    ),
    Wrong(
        "more examples than labels",
        "The labels of x.npy must have shape (12,), one per example, got (11,).",
        with_labels(np.arange(11)),
    ),
    Wrong(
        "labels in a file that are not whole numbers",
        "The labels of x.npy must be whole numbers, got float64 with 0.5.",
        with_labels(np.arange(12) / 2),
    ),
    Wrong(
        "labels in a file that are infinite",
        "The labels of x.npy must be whole numbers, got float64 with inf.",
        with_labels(np.full(12, np.inf)),
    ),
    Wrong(
        "a missing file of labels",
        "no-labels.npy does not exist.",
        file("x.npy", npy(NUMBERS), ":labels=no-labels.npy"),
    ),
]

READ = {"CSV tables": CSV, "IDX files": IDX, "numpy's files": NUMPY, "folders of images": IMAGES, "any file": ANY}

_WAY_OUT = "Put the files into a folder and set ZOO_DATA to it, or choose a mirror with ZOO_MIRROR."
FETCHED = {
    "unexpected content": f"… has unexpected content: … instead of SHA-256 …. {_WAY_OUT}",
    "a truncated file": (
        f"… has unexpected content: a truncated or corrupt gzip file instead of SHA-256 …. {_WAY_OUT}"
    ),
    "a truncated response": f"Not found in …, and … cannot be downloaded: no complete response (…). {_WAY_OUT}",
    "a file that the server does not have": (
        f"Not found in …, and … cannot be downloaded: the server answered 404 File not found. {_WAY_OUT}"
    ),
    "no server": f"Not found in …, and … cannot be downloaded: no complete response (ConnectionError). {_WAY_OUT}",
}
