"""Text tables: numbers separated by commas, tabs, semicolons, bars or spaces, with or without a line of names.

The first line is a header if it holds names where the other lines hold numbers, or whole numbers in a row where the
other lines hold decimals. A line that could be either is refused.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TextIO

import numpy as np

from zoo.data.contents import Contents, Numbers
from zoo.data.frame import MISSING, UNNAMED, Frame, finite, table_contents
from zoo.data.options import FileOptions
from zoo.errors import DataError

_LARGEST = 2**30  # bytes; reading a table takes about ten times its size in memory
_SEPARATORS = {"comma": ",", "tab": "\t", "semicolon": ";", "bar": "|", "space": " "}
_EXAMINED = 20  # lines that tell the separator
_EXAMINED_TEXT = 2**20  # characters that hold them
_FEWEST = 5  # lines that tell that the first one is unlike them
_COMMENT = "#"
_LINE_END = re.compile(r"\r\n|\r|\n")
_DECIMAL_COMMA = re.compile(r"\s*-?\d+,\d+\s*")

Lines = Iterator[tuple[int, list[str]]]


def read(path: Path, options: FileOptions) -> Contents:
    """Read the chosen columns of a table.

    Raises:
        DataError: if the table is invalid or can be read in two ways; the message names the line and the column.
    """
    return table_contents(read_frame(path, options), options)


def blocks(path: Path, options: FileOptions, values: int) -> Iterator[Contents]:
    """Read the chosen columns of a table in blocks; the first one tells the header.

    Raises:
        DataError: as for `read`.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            head, comment, skipped = _head(stream, path)
            for frame in _frames(stream, head, comment, skipped, path, options, None, values):
                yield table_contents(frame, options)
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror or error}.") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path} must be UTF-8 text: {error.reason}.") from None


def read_frame(path: Path, options: FileOptions, count: int | None = None) -> Frame:
    """Read a whole table.

    Args:
        path: the file, UTF-8.
        options: `header` and `separator` count here.
        count: number of rows, if known, which tells a header of words from words.

    Raises:
        DataError: as for `read`.
    """
    text, comment, skipped = _text(path)
    return next(_frames(io.StringIO(text, newline=""), text, comment, skipped, path, options, count, None))


def _frames(
    stream: Iterator[str],
    head: str,
    comment: str,
    skipped: int,
    path: Path,
    options: FileOptions,
    count: int | None,
    size: int | None,
) -> Iterator[Frame]:
    """Yield the rows of a table in blocks of about `size` values; None yields all rows at once.

    Args:
        stream: lines after the comments at the start.
        head: the beginning of that text, which tells the separator.
        comment, skipped: the last of these comments, and their number.
        path, options, count: as for `read_frame`.
        size: values of a block.
    """
    separator = _separator(head, options, path)
    lines = _lines(stream, separator, skipped, path)
    first, top = next(lines)
    step = None if size is None else max(1, size // len(top))
    rows = list(islice(lines, step))
    if comment and len(cells := _split(comment, separator)) == len(top) > 1 and not _numeric(cells):
        names, rows = cells, [(first, top), *rows]
    elif options.header == "no" or (options.header == "found" and not _is_header(top, rows, path, first, count)):
        names, rows = [], [(first, top), *rows]
    else:
        names = top
    header = _named(tuple(name.strip() for name in names), path)
    if not rows:
        raise DataError(f"{path} has a header but no values.")
    done = 0
    while rows:
        yield _frame(path, header, rows, len(top), done)
        done += len(rows)
        rows = list(islice(lines, step))


def _frame(path: Path, header: tuple[str, ...], rows: list[tuple[int, list[str]]], width: int, done: int) -> Frame:
    """Return rows of cells as numbers and words, `done` rows after the start of the table."""
    values, words = np.empty((len(rows), width)), dict[int, dict[int, str]]()
    for place, (line, row) in enumerate(rows):
        if len(row) != width:
            raise DataError(f"{path}, line {line}: {width} columns expected, got {len(row)}.")
        values[place] = _numbers(row)
    for place, column in np.argwhere(np.isnan(values)).tolist():
        words.setdefault(column, {})[place] = rows[place][1][column]
    return Frame(path, header, values, words, [line for line, _ in rows], done)


def _head(stream: TextIO, path: Path) -> tuple[str, str, int]:
    """Return the beginning of the text after comments at its start, the last of them, and the number of their lines."""
    comment, skipped, place = "", 0, 0
    while True:
        place = stream.tell()
        line = stream.readline()
        if not line.startswith(_COMMENT):
            break
        comment, skipped = line.lstrip(_COMMENT).strip(), skipped + 1
    stream.seek(place)
    head = stream.read(_EXAMINED_TEXT)
    if not head.strip():
        raise DataError(f"{path} is empty.")
    stream.seek(place)
    return head, comment, skipped


def _text(path: Path) -> tuple[str, str, int]:
    """Return the text after comments at its start, the last of these comments, and the number of their lines."""
    try:
        if (size := path.stat().st_size) > _LARGEST:
            raise DataError(f"{path} has {size:,} bytes; the limit for a table is {_LARGEST:,}. Use .npy instead.")
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror or error}.") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path} must be UTF-8 text: {error.reason} at byte {error.start}.") from None
    if not text.strip():
        raise DataError(f"{path} is empty.")
    comment, skipped = "", 0
    while text.startswith(_COMMENT):
        line, _, text = text.partition("\n")
        comment, skipped = line.lstrip(_COMMENT).strip(), skipped + 1
    return text, comment, skipped


def _separator(text: str, options: FileOptions, path: Path) -> str:
    """Return what separates the cells: what splits the first line, and every line into the same number of cells.

    Raises:
        DataError: if that is true of two separators.
    """
    if options.separator != "found":
        return _SEPARATORS[options.separator]
    lines = [line for line in _LINE_END.split(text.lstrip()[:_EXAMINED_TEXT], _EXAMINED)[:_EXAMINED] if line.strip()]
    counts = {name: [len(_split(line, mark)) for line in lines] for name, mark in _SEPARATORS.items()}
    marks = [name for name in counts if name != "space" and counts[name][0] > 1]
    if len(marks) > 1:
        marks = [name for name in marks if len(set(counts[name])) == 1] or marks
    if len(marks) > 1:
        ways = " or ".join(f"separator={name} ({counts[name][0]} columns)" for name in marks)
        raise DataError(f"{path} can be read in two ways: {ways}; choose one, got {lines[0][:60]!r}.")
    if marks == ["comma"] and _has_decimal_commas(lines):
        raise DataError(
            f"{path} can be read in two ways: one column of numbers with decimal commas, which must be points, or two "
            f"columns (separator=comma), got {lines[0][:60]!r}."
        )
    if marks:
        return _SEPARATORS[marks[0]]
    if len(set(counts["space"][1:])) == 1 and counts["space"][0] == counts["space"][-1] - 1 > 0 and '"' in lines[0]:
        raise DataError(
            f"{path}, line 1 has one name less than line 2 has values, as write.table of R writes it; set "
            "row.names=FALSE there."
        )
    if "::" in lines[0]:
        raise DataError(f"{path} is separated by '::', which is not read; replace it by commas, got {lines[0][:60]!r}.")
    spaces = counts["space"]
    return " " if spaces[0] > 1 and len(set(spaces)) == 1 else ","


def _has_decimal_commas(lines: Sequence[str]) -> bool:
    """Whether lines such as `-0,132` may be numbers with a decimal comma: no whole number is written -0."""
    return all(map(_DECIMAL_COMMA.fullmatch, lines)) and any(line.lstrip().startswith("-0,") for line in lines)


def _split(line: str, separator: str) -> list[str]:
    if separator == " ":
        return line.split()
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:  # a carriage return within a line, which `_lines` refuses
        return []


def _lines(stream: Iterator[str], separator: str, skipped: int, path: Path) -> Lines:
    """Yield each record with the number of its last line; blank lines may only be at the end."""
    blank = 0
    rows: Iterator[tuple[int, list[str]]]
    if separator == " ":
        rows = enumerate((line.split() for line in stream), 1)
    else:
        reader = csv.reader(stream, strict=True, delimiter=separator)
        rows = ((reader.line_num, row) for row in reader)
    try:
        for number, row in rows:
            line = number + skipped
            if len(row) < 2 and not any(cell.strip() for cell in row):
                blank = blank or line
                continue
            if blank:
                raise DataError(f"{path}, line {blank} is blank; remove it.")
            yield line, row
    except csv.Error as error:
        name = next(name for name, mark in _SEPARATORS.items() if mark == separator)
        raise DataError(f"{path}, line {reader.line_num + skipped} must be {name}-separated values: {error}.") from None


def _is_header(
    top: Sequence[str], rows: list[tuple[int, list[str]]], path: Path, first: int, count: int | None
) -> bool:
    """Whether the first line, of this number, holds the names of the columns.

    Raises:
        DataError: if it may be names or values.
    """
    if not rows:
        return not any(np.isfinite(_numbers(top)))
    if count is not None and count in (len(rows), len(rows) + 1):
        return count == len(rows)
    words = [k for k, cell in enumerate(top) if not _is_number(cell) and cell.strip().lower() not in MISSING]
    body = [row for _, row in rows if len(row) == len(top)]
    index = list(top).index("") if "" in top else -1  # pandas leaves the name of its index empty
    if index >= 0 and body and len(set(top)) == len(top) and all(row[index].strip() for row in body):
        return True
    if words:
        of_numbers = [k for k in words if any(_is_number(row[k]) for row in body)]
        every = len(words) == sum(1 for cell in top if cell.strip())
        return bool(of_numbers) or (every and not any(_is_number(cell) for row in body for cell in row))
    numbers = _numbers(top)
    if not body or not np.isfinite(numbers).all() or len(set(top)) < len(top) or not all(map(_is_whole, top)):
        return False
    below = np.array([_numbers(row) for row in body])
    decimals = [not any(_is_whole(row[k]) for row in body) for k in range(len(top))]
    in_a_row = len(top) > 1 and numbers[0] in (0, 1) and bool((np.diff(numbers) == 1).all())
    low, high = np.fmin.reduce(below), np.fmax.reduce(below)
    outside = (numbers < low) | (numbers > high)
    if in_a_row and (all(decimals) or (len(top) > 2 and (outside | np.array(decimals)).sum() > 1)):
        return True
    far = (numbers < 2 * low - high) | (numbers > 2 * high - low)
    unlike = len(body) >= _FEWEST and (far.all() or all(decimals))
    if len(top) > 1 and (unlike or (in_a_row and len(top) > 2)):
        raise DataError(
            f"{path}, line {first} may be a header or values: {', '.join(top[:6])}{', …' if len(top) > 6 else ''}; "
            "write header=yes or header=no."
        )
    return False


def _numeric(cells: Sequence[str]) -> bool:
    return any(_is_number(cell) for cell in cells)


def _is_number(cell: str) -> bool:
    return not np.isnan(finite(cell))


def _is_whole(cell: str) -> bool:
    return cell.strip().lstrip("+-").isdecimal()


def _numbers(row: Sequence[str]) -> Numbers:
    """Return the numbers of one line, shape (columns,); nan for cells that are not numbers."""
    try:
        values = [float(cell) for cell in row]
        if not any("_" in cell for cell in row):
            return np.array(values)
    except ValueError:
        pass
    return np.array([finite(cell) for cell in row])


def _named(header: tuple[str, ...], path: Path) -> tuple[str, ...]:
    """Return the names after checking them; one column without a name gets one."""
    if header.count("") > 1:
        raise DataError(f"{path}: column {header.index('') + 1} has no name; name it, or remove it.")
    header = tuple(name or UNNAMED for name in header)
    if twice := sorted(name for name, count in Counter(header).items() if count > 1):
        raise DataError(f"{path} has duplicate column names: {', '.join(twice)}.")
    return header
