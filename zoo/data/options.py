"""`FileOptions`: the options that may follow the path of a user's file, `FILE:KEY=VALUE,…`."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from zoo.contract.config import Config
from zoo.data.paths import items, parse_options, unquoted
from zoo.errors import ConfigError

EVERYWHERE = ("support", "scale", "shape", "valid", "test", "epochs")  # options of every format
KEEP = "keep"  # missing=keep: missing values stay nan, for codes, which have no options
NONE = "none"  # labels=none: a column that is called label is a value


class FileOptions(Config):
    """Options of a user's file."""

    labels: Annotated[str, Field(description="classes: a column (name, or number from 0), array or file; or none")] = ""
    columns: Annotated[tuple[str, ...], Field(description="the columns to read; default: all")] = ()
    drop: Annotated[tuple[str, ...], Field(description="columns to leave out")] = ()
    header: Annotated[Literal["found", "yes", "no"], Field(description="whether the first line holds names")] = "found"
    separator: Annotated[
        Literal["found", "comma", "tab", "semicolon", "bar", "space"], Field(description="what separates the cells")
    ] = "found"
    missing: Annotated[
        str, Field(description="rows with missing values: drop, mean (of the training split) or a number instead")
    ] = ""
    na: Annotated[tuple[str, ...], Field(description="values that stand for a missing one, such as -999")] = ()
    table: Annotated[
        Literal["numbers", "mixed"],
        Field(description="mixed: words, dates, whole numbers, bounds and missing values are kept in samples"),
    ] = "numbers"
    categorical: Annotated[
        tuple[str, ...], Field(description="columns of numbers that are categories, for table=mixed")
    ] = ()
    array: Annotated[str, Field(description="the array, or the file in a .zip, that holds the examples")] = ""
    examples: Annotated[
        Literal["found", "first", "last"], Field(description="the axis that counts the examples, first or last")
    ] = "found"
    shape: Annotated[
        tuple[Annotated[int, Field(gt=0)], ...], Field(description="shape of an example, such as 28x28 or 3x32x32")
    ] = ()
    scale: Annotated[float | None, Field(gt=0, description="divides the values, such as 255 for grayscale")] = None
    channels: Annotated[
        Literal["found", "first", "last", "1", "3"],
        Field(description="arrays: where the channels are, first or last; images: 1 converts to gray, 3 to RGB"),
    ] = "found"
    size: Annotated[
        tuple[Annotated[int, Field(gt=0)], ...], Field(description="resize images to WIDTHxHEIGHT, cropping the centre")
    ] = ()
    background: Annotated[
        Literal["found", "white", "black"], Field(description="what lies behind transparent pixels")
    ] = "found"
    support: Annotated[Literal["found", "bits", "unit", "real"], Field(description="range of the values")] = "found"
    valid: Annotated[str, Field(description="file of the validation split; FILE is the training split then")] = ""
    test: Annotated[str, Field(description="file of the test split; FILE is the training split then")] = ""
    epochs: Annotated[int, Field(gt=0, description="default budget of a comparison")] = 100

    @field_validator("columns", "drop", "na", "categorical", mode="before")
    @classmethod
    def _list(cls, value: Any) -> Any:
        return items(value) if isinstance(value, str) else value

    @field_validator("shape", "size", mode="before")
    @classmethod
    def _sides(cls, value: Any) -> Any:
        if isinstance(value, str):
            if not re.fullmatch(r"\d+([x×]\d+)*", value, re.ASCII):
                raise ValueError("must be sides with x between them, such as 28x28")
            return tuple(int(side) for side in re.split("[x×]", value))
        return value

    @field_validator("scale", "epochs", mode="before")
    @classmethod
    def _number(cls, value: Any, info: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return float(value) if info.field_name == "scale" else int(value)
        except ValueError:
            kind = "a number" if info.field_name == "scale" else "a whole number"
            raise ValueError(f"must be {kind}") from None

    @field_validator("missing")
    @classmethod
    def _rule(cls, value: str) -> str:
        if value not in ("", "drop", "mean", KEEP) and number(value) is None:
            raise ValueError("must be drop, mean or a number")
        return value

    @field_validator("size")
    @classmethod
    def _two(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if value and len(value) != 2:
            raise ValueError("must be WIDTHxHEIGHT")
        return value

    @classmethod
    def read(cls, source: str, name: str) -> Self:
        """Parse `KEY=VALUE,…` after a path.

        Raises:
            ConfigError: for a text that cannot be parsed, unknown keys and wrong values.
        """
        texts = parse_options(source, name)
        lists = ("columns", "drop", "na", "categorical")
        return cls.parse(
            {key: value if key in lists else unquoted(value) for key, value in texts.items()}, f"the data {name}"
        )

    @property
    def is_mixed(self) -> bool:
        """Whether the file is read as a mixed table."""
        return self.table == "mixed"

    @model_validator(mode="after")
    def _fits_a_mixed_table(self) -> Self:
        if self.categorical and not self.is_mixed:
            raise ValueError("categorical=… needs table=mixed")
        if self.is_mixed and self.missing not in ("", "drop"):
            raise ValueError("table=mixed keeps missing values, so missing must be drop or left out")
        if self.is_mixed and (self.support not in ("found", "real") or self.scale is not None or self.shape):
            raise ValueError("table=mixed takes neither support, scale nor shape")
        return self

    def check(self, taken: tuple[str, ...], name: str, kind: str) -> None:
        """Refuse options that a format does not take.

        Raises:
            ConfigError: naming the options that it takes.
        """
        known = (*taken, *EVERYWHERE)
        for key in sorted(self.model_fields_set):
            if key not in known:
                raise ConfigError(f"{name} is {kind}, which does not take {key}; it takes {', '.join(known)}.")


def number(cell: str) -> float | None:
    """Parse the number in a cell; None for anything else, including nan, infinity and Python's `1_000`."""
    try:
        value = float(cell)
    except ValueError:
        return None
    return None if "_" in cell or not math.isfinite(value) else value
