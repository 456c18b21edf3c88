"""`Table`: the columns of a mixed table, as numbers for models, and back as valid rows of the file.

    words           a one-hot block over the words of the training split; a missing value is one of them
    numbers, dates  one value; where some are missing, a 0/1 flag follows, and the mean stands for the missing value
    one-hot columns in the file: a block as they are

Dates are days, minutes or seconds since 1970. `nearest` is the inverse on real numbers, such as samples: the largest
value of a block is its 1, numbers are clipped to the range of the training split and rounded to its decimals, and a
flag of 1/2 or more is a missing value. Every row that it returns is valid: it could have been in the training split.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor

from zoo.errors import DataError

Cells = NDArray[np.object_]  # float, str, or None for a missing value
Cell = str | int | float | None

ABSENT = ""  # the category of a missing value
_MOST_VALUES = 200  # categories of a column
_FEW_VALUES = 20  # more categories than these must be in two rows each, on average: names and numbers of rows are not
_MOST_DECIMALS = 6  # beyond, numbers are not rounded
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:([ T])\d\d:\d\d(:\d\d)?)?", re.ASCII)

_Finite = Annotated[float, Field(allow_inf_nan=False)]


class Column(BaseModel):
    """A column of the file, or several that are one-hot together.

    Attributes:
        names: of the columns in the file: one, or those of a one-hot group.
        kind: what it holds.
        values: categories in alphabetical order, `""` for a missing one; () for other kinds.
        low, high: range of numbers in the training split, and of dates since 1970.
        decimals: that numbers have at most; None for more than six.
        missing: whether numbers or dates are missing in some rows.
        fill: what stands for a missing number, in the range and with the decimals of the others.
        unit: of dates: D, m or s; "" for other kinds.
        separator: between date and time.
        never: places of the one-hot columns that are 1 in no row of the training split.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    names: Annotated[tuple[str, ...], Field(min_length=1)]
    kind: Literal["category", "number", "date", "one-hot"]
    values: tuple[str, ...] = ()
    low: _Finite = 0.0
    high: _Finite = 0.0
    decimals: Annotated[int | None, Field(ge=0, le=_MOST_DECIMALS)] = None
    missing: bool = False
    fill: _Finite = 0.0
    unit: Literal["", "D", "m", "s"] = ""
    separator: Literal["", " ", "T"] = ""
    never: tuple[Annotated[int, Field(ge=0)], ...] = ()

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if (self.kind == "category") != bool(self.values) or len(set(self.values)) < len(self.values):
            raise ValueError("a category needs distinct values, and other kinds have none")
        if self.low > self.high or (self.kind == "date") != bool(self.unit):
            raise ValueError("low must be at most high, and dates need a unit")
        if len(self.names) > 1 and self.kind != "one-hot":
            raise ValueError("only one-hot columns are a group")
        if len(set(self.never) & set(range(len(self.names)))) != len(self.never) or len(self.never) == len(self.names):
            raise ValueError("never must list places of some of the one-hot columns")
        return self

    @property
    def name(self) -> str:
        """The name for messages."""
        return self.names[0] if len(self.names) == 1 else f"{self.names[0]} … {self.names[-1]}"

    @property
    def is_block(self) -> bool:
        """Whether it is encoded as a one-hot block."""
        return self.kind in ("category", "one-hot")

    @property
    def width(self) -> int:
        """Number of encoded values."""
        return max(len(self.values), len(self.names)) if self.is_block else 1 + self.missing

    def encode(self, cells: Cells, name: str) -> NDArray[np.float64]:
        """Return cells of shape (N, len(names)) as numbers, shape (N, width); unknown categories are all 0.

        Raises:
            DataError: for words where numbers are expected, and missing values that the training split does not have.
        """
        if self.kind == "category":
            texts = np.array([_text(cell) for cell in cells[:, 0]])
            block: NDArray[np.float64] = np.equal.outer(texts, np.array(self.values)).astype(np.float64)
            return block
        if self.kind == "one-hot":
            x = np.array([[np.nan if not isinstance(c, float) else c for c in row] for row in cells.tolist()])
            if not (np.isin(x, (0, 1)).all() and (x.sum(1) == 1).all()):
                raise DataError(f"{name}: exactly one of the columns {', '.join(self.names)} must be 1, the others 0.")
            return x
        x = np.array([self._number(cell, name) for cell in cells[:, 0].tolist()])
        holes = np.isnan(x)
        if self.missing:
            return np.stack([np.where(holes, self.fill, x), holes], 1)
        if holes.any():
            raise DataError(
                f"{name}: the column {self.name} has no value in example {holes.argmax() + 1}, and none was missing in "
                "training; leave such rows out with missing=drop."
            )
        return x[:, None]

    def nearest(self, x: Tensor) -> Tensor:
        """Return the valid values nearest to x, float64, both of shape (N, width)."""
        if self.is_block:
            x = x.index_fill(1, torch.tensor(self.never, dtype=torch.int64), -torch.inf)
            return F.one_hot(x.argmax(1), self.width).double()
        value = x[:, :1]
        if self.decimals is not None:
            value = value.round(decimals=self.decimals)
        value = value.clamp(self.low, self.high)
        if not self.missing:
            return value
        absent = x[:, 1:] >= 0.5
        return torch.cat([torch.where(absent, self.fill, value), absent.double()], 1)

    def cells(self, x: Tensor) -> list[list[Cell]]:
        """Return the cells of valid values x, shape (N, width), by column of the file."""
        if self.kind == "category":
            return [[self.values[k] or None for k in x.argmax(1).tolist()]]
        if self.kind == "one-hot":
            return [[int(cell) for cell in column] for column in x.T.tolist()]
        absent = (x[:, 1] >= 0.5).tolist() if self.missing else [False] * len(x)
        return [[None if no else self._cell(value) for value, no in zip(x[:, 0].tolist(), absent, strict=True)]]

    def describe(self) -> str:
        """Return what the column holds: `whole numbers 17 to 90, some missing`."""
        if self.kind == "one-hot":
            return f"one-hot with {', '.join(self.names[1:])}"
        if self.kind == "category":
            known = [value for value in self.values if value]
            few = ", ".join(known[:5]) + (", …" if len(known) > 5 else "")
            span = f"{len(known)} categories: {few}" if len(known) > 1 else f"constant {few}"
            return span + (", some missing" if ABSENT in self.values else "")
        kind = {"date": "dates", "number": "whole numbers" if self.decimals == 0 else "numbers"}[self.kind]
        digits = f" with {self.decimals} decimals" if self.kind == "number" and self.decimals else ""
        low, high = self._cell(self.low), self._cell(self.high)
        span = f"constant {low}" if low == high else f"{kind} {low} to {high}{digits}"
        return span + (", some missing" if self.missing else "")

    def _number(self, cell: object, name: str) -> float:
        if cell is None:
            return np.nan
        if self.kind == "date" and isinstance(cell, str) and _DATE.fullmatch(cell):
            return _since_1970(cell, self.unit, name)
        if self.kind == "number" and isinstance(cell, float):
            return cell
        expected = "a date such as 2024-01-31" if self.kind == "date" else "a number"
        raise DataError(f"{name}: {expected} expected in the column {self.name}, got {_text(cell)[:40]!r}.")

    def _cell(self, value: float) -> Cell:
        if self.unit:
            text = str(np.datetime64(round(value), self.unit))
            return text.replace("T", self.separator) if self.separator else text
        if self.decimals == 0:
            return round(value)
        return value if self.decimals is None else round(value, self.decimals)


@dataclass(frozen=True)
class Table:
    """Columns of a mixed table, in the order of the file.

    Raises:
        ValueError: without columns, or for a name that two have.
    """

    columns: tuple[Column, ...]

    def __post_init__(self) -> None:
        if not self.columns or len(set(self.names)) < len(self.names):
            raise ValueError("a table needs columns of distinct names")

    @classmethod
    def of_facts(cls, facts: Iterable[Any]) -> Self:
        """Return the table of a model file; raises ValueError if it is invalid."""
        return cls(tuple(Column.model_validate(each) for each in facts))

    @classmethod
    def fit(
        cls, names: Sequence[str], cells: Cells, train: NDArray[np.int64], categorical: Collection[str], source: str
    ) -> Self:
        """Find what each column holds: its kind in all rows, its values and range in the training split.

        Args:
            names: of the columns.
            cells: all rows, shape (N, K).
            train: indices of the training split.
            categorical: columns of numbers that are categories.
            source: for messages.

        Raises:
            DataError: for a column of words and numbers, of too many words, or without any value in training.
        """
        columns: list[Column] = []
        place = 0
        while place < len(names):
            width = 0 if names[place] in categorical else _one_hot_group(names, cells[:, place:], categorical)
            if width:
                seen = cells[train, place : place + width].astype(np.float64).sum(0)
                never = tuple((seen == 0).nonzero()[0].tolist())
                columns.append(Column(names=tuple(names[place : place + width]), kind="one-hot", never=never))
            else:
                declared = names[place] in categorical
                columns.append(_fitted(names[place], cells[:, place], train, declared, source))
            place += max(1, width)
        return cls(tuple(columns))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns in the file."""
        return tuple(name for column in self.columns for name in column.names)

    @property
    def blocks(self) -> tuple[int, ...]:
        """Widths of the one-hot blocks among the encoded values, 1 for any other value: `DataSpec.blocks`."""
        return tuple(
            width for column in self.columns for width in ((column.width,) if column.is_block else (1,) * column.width)
        )

    @property
    def size(self) -> int:
        """Number of encoded values of a row."""
        return sum(column.width for column in self.columns)

    def facts(self) -> list[dict[str, Any]]:
        """Return the table as plain values, for `of_facts`."""
        return [column.model_dump(mode="json", exclude_defaults=True) for column in self.columns]

    def encode(self, cells: Cells, source: str) -> NDArray[np.float64]:
        """Return rows of cells, shape (N, K), as numbers, shape (N, size).

        Raises:
            DataError: for another number of columns, and cells that do not fit their column.
        """
        if cells.ndim != 2 or cells.shape[1] != len(self.names):
            raise DataError(f"{source} must have the columns {', '.join(self.names)}, got {cells.shape[1:]} columns.")
        ends = np.cumsum([len(column.names) for column in self.columns])[:-1]
        parts = np.split(cells, ends, axis=1)
        return np.hstack([column.encode(part, source) for column, part in zip(self.columns, parts, strict=True)])

    def nearest(self, x: Tensor) -> Tensor:
        """Return the valid rows nearest to x, both of shape (N, size) and one type."""
        parts = zip(self.columns, self.split(x.double()), strict=True)
        return torch.cat([column.nearest(part) for column, part in parts], 1).to(x.dtype)

    def rows(self, x: Tensor) -> list[list[Cell]]:
        """Return the rows of the file that are nearest to x, shape (N, size); a missing value is None."""
        x = self.nearest(x.detach().cpu().double())
        parts = zip(self.columns, self.split(x), strict=True)
        return [
            list(row) for row in zip(*(cells for column, part in parts for cells in column.cells(part)), strict=True)
        ]

    def split(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the encoded values of each column, shapes (N, width)."""
        parts: tuple[Tensor, ...] = x.split([column.width for column in self.columns], 1)
        return parts

    def unseen(self, x: Tensor) -> dict[str, int]:
        """Return the number of encoded rows with a category that the training split lacks, by column."""
        parts = zip(self.columns, self.split(x), strict=True)
        counts = {column.name: int((part.amax(1) <= 0).sum()) for column, part in parts if column.kind == "category"}
        return {name: count for name, count in counts.items() if count}


def _fitted(name: str, cells: Cells, train: NDArray[np.int64], declared: bool, source: str) -> Column:
    """Return what one column holds."""
    known = [cell for cell in cells.tolist() if cell is not None]
    words = [cell for cell in known if isinstance(cell, str)]
    seen = cells[train]
    if all(cell is None for cell in seen.tolist()):
        raise DataError(f"{source}: the column {name} has no value in the training split; set drop={name}.")
    if words and not declared:
        if len(words) < len(known):
            raise DataError(
                f"{source}: the column {name} holds numbers and words, such as {words[0][:40]!r}; write "
                f"na={words[0][:40]} if that is a missing value, or categorical={name} if its numbers are categories."
            )
        forms = [_DATE.fullmatch(word) for word in words]
        if all(forms):
            return _dates(name, words, [each for each in forms if each], seen, cells, source)
    if words or declared:
        values = sorted({_text(cell) for cell in seen.tolist()})
        most = min(_MOST_VALUES, max(_FEW_VALUES, len(seen) // 2))
        if len(values) > most:
            raise DataError(
                f"{source}: the column {name} has {len(values):,} categories in {len(seen):,} training rows, of which "
                f"at most {most} are encoded; leave it out with drop={name}."
            )
        return Column(names=(name,), kind="category", values=tuple(values))
    return Column(names=(name,), kind="number", **_range(seen, cells))


def _dates(
    name: str, words: Sequence[str], forms: Sequence[re.Match[str]], seen: Cells, cells: Cells, source: str
) -> Column:
    unit: Literal["D", "m", "s"] = "s" if any(m[2] for m in forms) else "m" if any(m[1] for m in forms) else "D"
    separator = next((m[1] for m in forms if m[1]), "")
    numbers, all_numbers = (
        np.array([None if cell is None else _since_1970(cell, unit, source) for cell in each.tolist()], dtype=object)
        for each in (seen, cells)
    )
    facts = _range(numbers, all_numbers) | {"decimals": 0}
    return Column(names=(name,), kind="date", unit=unit, separator=separator, **facts)  # type: ignore[arg-type]


def _range(seen: Cells, cells: Cells) -> dict[str, Any]:
    """Return range, decimals and fill of the training rows, and whether any row lacks a value."""
    x = np.array([cell for cell in seen.tolist() if cell is not None], dtype=np.float64)
    decimals = next((d for d in range(_MOST_DECIMALS + 1) if (np.round(x, d) == x).all()), None)
    mean = float(np.clip(x.mean(), x.min(), x.max()))
    fill = mean if decimals is None else float(np.round(mean, decimals))
    missing = any(cell is None for cell in cells.tolist())
    low, high = float(x.min()), float(x.max())
    return {"low": low, "high": high, "decimals": decimals, "missing": missing, "fill": min(max(fill, low), high)}


def _one_hot_group(names: Sequence[str], cells: Cells, categorical: Collection[str]) -> int:
    """Return the number of columns from the first on of which exactly one is 1 in each row; 0 if there are none."""
    total, varied = np.zeros(len(cells)), 0
    for width in range(1, cells.shape[1] + 1):
        column = cells[:, width - 1].tolist()
        if not all(cell in (0.0, 1.0) for cell in column) or names[width - 1] in categorical:
            return 0
        total += np.array(column, dtype=np.float64)
        varied += len(set(column)) > 1
        if (total > 1).any():
            return 0
        if (total == 1).all():
            return width if varied > 1 else 0
    return 0


def _since_1970(text: str, unit: str, source: str) -> float:
    """Return the days, minutes or seconds of a date since 1970."""
    try:
        return float(np.datetime64(text).astype(f"datetime64[{unit}]").astype(np.int64))
    except ValueError:
        raise DataError(f"{source}: a date expected, got {text!r}, which is not in the calendar.") from None


def _text(cell: object) -> str:
    """Return a cell as a category: words as they are, whole numbers without a point."""
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else repr(cell)
    return ABSENT if cell is None else str(cell)
