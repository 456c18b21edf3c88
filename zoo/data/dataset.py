"""`zoo.Data`: a data set in the user's units, split into training, validation and test examples."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from zoo.contract.data_spec import DataSpec, Support
from zoo.data.in_memory import held
from zoo.data.pictures import check_levels
from zoo.data.table import Table
from zoo.errors import ConfigError, DataError
from zoo.files.tensor_file import hash_tensors, map_plain, write_plain
from zoo.runtime.notebook import facts_table, one_line
from zoo.runtime.randomness import generator
from zoo.runtime.seeds import SPLIT_SEED, checked_seed
from zoo.scalars import plain

SPLITS = ("train", "valid", "test")

_MOST = 2**32  # values of a data set: 16 GiB as float32
_MOST_CLASSES = 10_000  # of a conditional model
_SHARES = (0.5, 0.1)  # train and valid; the test split is the rest, because comparing samples needs a large one
_FEWEST = 10  # examples that can be split
_COARSE = 2.0**-10  # rounding to float32, in standard deviations of a column, beyond which data stay float64


@dataclass(frozen=True, eq=False, repr=False)
class Data:
    """A data set with its training, validation and test splits.

    Args:
        name: name in tables; for a registered data set, the name that `--data` takes.
        spec: shape and support of one example.
        train, valid, test: float32, shape (N, *spec.shape), N at least 1, in the user's units; float64 for real-valued
            data that float32 would round too coarsely, such as times in seconds since 1970.
        train_labels, valid_labels, test_labels: int64 class labels, shape (N,), or None.
        epochs: the default training budget.
        enumerated: whether every split contains each pattern of the distribution exactly once.
        columns: names of a table's columns, in order; () if they have no names.
        class_names: words that the labels 0, 1, … stand for; () if the labels were numbers.
        reading: options of the user's file that it was read with, as texts, with which further rows are read.
        table: of a mixed table, the columns that the values encode; None for other data.

    Raises:
        ValueError: for splits or labels of another type or shape.
    """

    name: str
    spec: DataSpec
    train: Tensor
    valid: Tensor
    test: Tensor
    train_labels: Tensor | None = None
    valid_labels: Tensor | None = None
    test_labels: Tensor | None = None
    epochs: int = 100
    enumerated: bool = False
    columns: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()
    reading: Mapping[str, str] = field(default_factory=dict)
    table: Table | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "epochs", plain(self.epochs))
        for split in SPLITS:
            x, labels = getattr(self, split), getattr(self, f"{split}_labels")
            allowed = (torch.float32, torch.float64) if self.spec.support == "real" else (torch.float32,)
            if x.dtype not in allowed or x.dtype != self.train.dtype or x.shape[1:] != self.spec.shape:
                raise ValueError(
                    f"{split} must be float32 of shape (N, *{self.spec.shape}), got {x.dtype} {tuple(x.shape)}"
                )
            if len(x) == 0:
                raise ValueError(f"{split} must contain at least one example")
            if labels is not None and labels.shape != (len(x),):
                raise ValueError(f"{split}_labels must have shape ({len(x)},), got {tuple(labels.shape)}")

    def __repr__(self) -> str:
        """`<zoo.Data digits: 899/180/718 examples of (8, 8) unit, 10 classes>`."""
        sizes = "/".join(str(len(getattr(self, split))) for split in SPLITS)
        classes = self._number_of_classes()
        labels = "" if classes is None else f", {classes} {'class' if classes == 1 else 'classes'}"
        return f"<zoo.Data {one_line(self.name)}: {sizes} examples of {self.spec.shape} {self.spec.support}{labels}>"

    def _repr_html_(self) -> str:
        """Return a small table for a notebook."""
        facts = {
            "example": f"{self.spec.shape} {self.spec.support}",
            "train / valid / test": " / ".join(f"{len(getattr(self, split)):,}" for split in SPLITS),
            "classes": self._number_of_classes(),
            "columns": ", ".join(self.columns) or None,
            "default budget": f"{self.epochs} epochs",
        }
        return facts_table(f"zoo.Data {self.name}", facts)

    @classmethod
    def from_arrays(
        cls,
        x: Any,
        labels: Any = None,
        *,
        name: str = "array",
        support: Support | None = None,
        epochs: int = 100,
        split_seed: int = SPLIT_SEED,
        columns: tuple[str, ...] = (),
        scale: float | None = None,
    ) -> Self:
        """Split an array or tensor of examples by a fixed permutation: 50 % train, 10 % valid, 40 % test.

        Bytes (uint8) are read as grayscale values from 0 to 255 and divided by 255, unless all are 0 or 1 or `support`
        is `real`. Whole numbers of other types that may be grayscale values or not are refused without `scale` or
        `support`.

        Args:
            x: real numbers, shape (N, *shape), N at least 10: an array, tensor, list or sparse matrix, a DataFrame,
                whose columns keep their names, or a `TensorDataset` or pair of x and labels.
            labels: whole numbers, shape (N,), or None.
            name: name in tables.
            support: the declared support; None infers it: `bits` if all values are 0 or 1, `unit` if all are in
                [0, 1], otherwise `real`.
            epochs: the default training budget.
            split_seed: seed of the permutation, independent of any training seed.
            columns: names of a table's columns.
            scale: divides the values, which must then be in [0, 1]: 255 for grayscale values.

        Raises:
            DataError: for values that are not finite or outside the declared support, or labels that do not match.
            ConfigError: for a seed that is not a whole number >= 0.
        """
        given = held(x, name)
        labels, columns = given.labels if labels is None else labels, columns or given.columns
        return cls.of_parts(
            given.x,
            labels,
            {},
            name=name,
            support=support,
            scale=scale,
            seed=checked_seed(split_seed, "split_seed"),
            epochs=epochs,
            columns=columns,
        )

    @classmethod
    def of_parts(
        cls,
        x: Any,
        labels: Any,
        sizes: Mapping[str, int],
        *,
        name: str,
        support: Support | None = None,
        scale: float | None = None,
        seed: int = SPLIT_SEED,
        **facts: Any,
    ) -> Self:
        """Return the examples x, which have splits of their own or none; see `from_arrays` and `split_indices`.

        Args:
            x, labels, name, support, scale: as for `from_arrays`.
            sizes: numbers of examples of the splits, which are one after the other in x; {} for no splits.
            seed: seed of the permutation.
            **facts: further fields of the data set.
        """
        fewest = 1 if sizes else _FEWEST
        values = as_examples(x, name, support, scale, fewest=fewest)
        if table := facts.get("table"):
            values = torch.from_numpy(x)  # float64, so that dates and whole numbers keep their digits
        parts = split_indices(sizes or {"": len(values)}, name, seed)
        blocks = table.blocks if table else ()
        spec = DataSpec(tuple(values.shape[1:]), _support(values, support, name), blocks=blocks)
        if spec.support != "real":
            values = values.float()
        classes = None if labels is None else _classes(labels, len(values), name)
        train, valid, test = (values[part] for part in parts)
        labelled = [None if classes is None else classes[part] for part in parts]
        return cls(name, spec, train, valid, test, labelled[0], labelled[1], labelled[2], **facts)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the content: shape, support, the columns of a mixed table, and every split with its labels."""
        columns = f" {json.dumps(self.table.facts(), sort_keys=True)}" if self.table else ""
        return hash_tensors(f"{self.spec.shape} {self.spec.support}{columns}", self._tensors())

    @cached_property
    def standardisation(self) -> tuple[Tensor, Tensor] | None:
        """(offset, scale) of the training split for real-valued data, each of shape `spec.shape`; None otherwise.

        A column that is constant has scale 0, so that it is constant in samples, too. The type is that of the data.
        """
        if self.spec.support != "real":
            return None
        offset, scale = self.train.double().mean(0), self.train.double().std(0, correction=0)
        scale = torch.where(scale > 1e-12 * (1 + offset.abs()), scale, 0.0)
        return offset.to(self.train.dtype), scale.to(self.train.dtype)

    @cached_property
    def class_shares(self) -> tuple[float, ...]:
        """Share of each class 0, 1, … in the training split, up to the largest label of any split.

        It is () without labels in all splits, and for labels that are not class indices: below 0, or 10,000 and more.
        """
        labels = [getattr(self, f"{split}_labels") for split in SPLITS]
        if any(each is None for each in labels):
            return ()
        largest = max(int(each.max()) for each in labels)
        if min(int(each.min()) for each in labels) < 0 or largest >= _MOST_CLASSES:
            return ()
        counts = torch.bincount(labels[0], minlength=largest + 1)
        return tuple(count / len(self.train) for count in counts.tolist())

    def with_first_test_examples(self, n: int) -> Self:
        """Return the same data set with the first n test examples only, under the same hash.

        Raises:
            ConfigError: for fewer than 2, or more than there are; and for data that enumerate all patterns.
        """
        most = len(self.test)
        if self.enumerated or not 2 <= n <= most:
            way_out = f"n must be from 2 to {most:,}, got {n}" if not self.enumerated else "leave n out"
            raise ConfigError(f"{self.name} has {most:,} test examples to compare with; {way_out}.")
        labels = None if self.test_labels is None else self.test_labels[:n]
        fewer = replace(self, test=self.test[:n], test_labels=labels)
        fewer.__dict__["sha256"] = self.sha256
        return fewer

    def without_test(self) -> Self:
        """Return the same data set with the validation split in the place of the test split, under the same hash."""
        without = replace(self, test=self.valid, test_labels=self.valid_labels)
        without.__dict__["sha256"] = self.sha256
        return without

    def without_labels(self) -> Self:
        """Return the same examples without labels."""
        return replace(self, train_labels=None, valid_labels=None, test_labels=None)

    def standardise(self, x: Tensor) -> Tensor:
        """Return (x - offset) / scale, float32, for real-valued data; bits and [0, 1] values are returned unchanged."""
        return x if self.standardisation is None else standardised(x, *self.standardisation)

    def save(self, path: Path) -> None:
        """Write the data set to one safetensors file for `open`."""
        facts = {
            "name": self.name,
            "shape": self.spec.shape,
            "support": self.spec.support,
            "epochs": self.epochs,
            "enumerated": self.enumerated,
            "columns": self.columns,
            "class_names": self.class_names,
            "reading": dict(self.reading),
            "sha256": self.sha256,
            "table": self.table.facts() if self.table else None,
        }
        tensors, memory = {}, set()
        for name, tensor in self._tensors().items():
            start = tensor.untyped_storage().data_ptr()
            tensors[name] = tensor.clone() if start in memory else tensor  # of splits that share memory
            memory.add(start)
        write_plain(path, tensors, facts)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Memory-map a file written by `save`; processes that open the same file share one copy in memory."""
        facts, tensors = map_plain(path)
        table = Table.of_facts(facts["table"]) if facts["table"] else None
        data = cls(
            facts["name"],
            DataSpec(tuple(facts["shape"]), facts["support"], blocks=table.blocks if table else ()),
            **tensors,
            epochs=facts["epochs"],
            enumerated=facts["enumerated"],
            columns=tuple(facts["columns"]),
            class_names=tuple(facts["class_names"]),
            reading=facts["reading"],
            table=table,
        )
        data.__dict__["sha256"] = facts["sha256"]
        return data

    def _number_of_classes(self) -> int | None:
        """Return the number of classes in the training split; None without labels."""
        return None if self.train_labels is None else len(self.train_labels.unique())

    def _tensors(self) -> dict[str, Tensor]:
        names = [*SPLITS, *(f"{split}_labels" for split in SPLITS)]
        return {name: getattr(self, name).contiguous() for name in names if getattr(self, name) is not None}


def split_indices(sizes: Mapping[str, int], name: str, split_seed: int = SPLIT_SEED) -> tuple[Tensor, Tensor, Tensor]:
    """Return the indices of the training, validation and test examples among all parts, one after the other.

    Without splits of their own, examples are split by a fixed permutation, 50 % train, 10 % valid, 40 % test. Own
    splits are kept. Without a validation split, a sixth of the training split takes its place; without a test split,
    four fifths of the validation split.

    Args:
        sizes: numbers of examples of the parts: {"": N}, or of two or three of `train`, `valid` and `test`.
        name: of the data, for messages.
        split_seed: seed of the permutation.

    Raises:
        DataError: for too few examples, or splits without `train`.
    """
    ends = dict(zip(sizes, np.cumsum(list(sizes.values())).tolist(), strict=True))
    places = {part: torch.arange(ends[part] - size, ends[part]) for part, size in sizes.items()}

    def drawn(part: str, shares: Sequence[float]) -> list[Tensor]:
        count = sizes[part]
        order = torch.randperm(count, generator=generator(split_seed, "split"))
        cut = [round(share * count + 1e-9) for share in shares]
        return [places[part][each] for each in order.split([*cut, count - sum(cut)])]

    if "" in sizes:
        train, valid, test = drawn("", _SHARES)
        return train, valid, test
    if "train" not in sizes or len(sizes) < 2:
        raise DataError(f"{name} must have a training split and another one, got {', '.join(sizes)}.")
    parts = dict(places)
    if "valid" not in parts:
        parts["valid"], parts["train"] = drawn("train", [1 / 6])
    if "test" not in parts:
        parts["valid"], parts["test"] = drawn("valid", [1 / 5])
    if few := [part for part in SPLITS if len(parts[part]) == 0]:
        raise DataError(f"{name} has too few examples: the {few[0]} split is empty.")
    return parts["train"], parts["valid"], parts["test"]


def standardised(x: Tensor, offset: Tensor, scale: Tensor) -> Tensor:
    """Return (x - offset) / scale, float32; constant columns, of scale 0, keep their scale."""
    return ((x - offset) / torch.where(scale > 0, scale, 1.0)).float()


def as_examples(
    x: Any, name: str, support: Support | None = None, scale: float | None = None, *, fewest: int = _FEWEST
) -> Tensor:
    """Return an array or tensor of examples, shape (N, *shape), as float32, or float64 where that is too coarse.

    Bytes are divided by 255 if any is above 1 and `support` is not `real`.

    Raises:
        DataError: for fewer than `fewest` examples, for values that are not finite real numbers, and for whole numbers
            that may be grayscale values or not.
    """
    values = _numbers(x, name)
    if values.ndim < 2 or len(values) < fewest or 0 in values.shape:
        raise DataError(f"{name} must have shape (N, …) with N at least {_FEWEST}, got {tuple(values.shape)}.")
    if scale is not None:
        scaled = _finite(values.double() / scale, name)
        low, high = values.min().item(), values.max().item()
        if low < 0 or high > scale:
            raise DataError(f"{name} must hold values in [0, {scale:g}] for scale={scale:g}, got [{low:g}, {high:g}].")
        return scaled
    if support != "real":
        if support is None:
            check_levels(values.numpy(), name)
        if values.dtype == torch.uint8 and values.max() > 1:
            values = values.to(torch.float32).div_(255)
    single = _finite(values, name)
    return values.double() if _is_too_coarse(values, single) else single


def _is_too_coarse(values: Tensor, single: Tensor) -> bool:
    """Whether rounding to float32 is visible beside the spread of a column."""
    if values.dtype not in (torch.float64, torch.int64, torch.int32, torch.uint32, torch.uint64):
        return False
    exact = values.double()
    error, spread = (exact - single.double()).abs().amax(0), exact.std(0, correction=0)
    varies = spread > 1e-12 * (1 + exact.mean(0).abs())
    return bool((varies & (error > _COARSE * spread)).any())


def as_numbers(x: Any, name: str) -> Tensor:
    """Return an array of numbers as float32, of the same shape (N, …) with N at least 1.

    Raises:
        DataError: for an empty array, and for values that are not finite real numbers.
    """
    values = _numbers(x, name)
    if values.ndim == 0 or 0 in values.shape:
        raise DataError(f"{name} must hold an array of numbers with N at least 1, got shape {tuple(values.shape)}.")
    return _finite(values, name)


def _numbers(x: Any, name: str) -> Tensor:
    """Return x as a tensor of real numbers of any type, copied only if torch cannot share its memory."""
    if isinstance(x, Tensor):
        values = x.detach().cpu()
    else:
        array = np.asanyarray(x)
        if isinstance(array, np.ma.MaskedArray):
            if masked := int(np.ma.getmaskarray(array).sum()):
                raise DataError(
                    f"{name} is a masked array with {masked:,} masked values; fill them with x.filled(...), or leave "
                    "those examples out."
                )
            array = array.data
        if array.size > _MOST:
            raise DataError(f"{name} holds {array.size:,} values; more than {_MOST:,} are not read.")
        wide = {2: np.int64, 4: np.int64, 8: np.float64}  # torch computes little with unsigned types but bytes
        if array.dtype.kind == "u" and array.dtype.itemsize > 1:
            array = array.astype(wide[array.dtype.itemsize])
        native = array.astype(array.dtype.newbyteorder("="), copy=False)
        try:
            values = torch.from_numpy(np.require(native, requirements=["C", "W"]))
        except TypeError:
            raise DataError(f"{name} must hold numbers, got {array.dtype}.") from None
    if values.is_complex():
        raise DataError(f"{name} must hold real numbers, got {values.dtype}.")
    return values


def _finite(values: Tensor, name: str) -> Tensor:
    """Return the numbers as float32 after checking that all are finite."""
    single = values.to(torch.float32)
    if not torch.isfinite(single).all():
        came = "nan or infinity" if not torch.isfinite(values).all() else "numbers too large for 32 bits"
        raise DataError(f"{name} must hold finite numbers, got {came}; remove or fill those examples first.")
    return single


def _support(values: Tensor, declared: Support | None, name: str) -> Support:
    """Return the declared support after checking the values against it, or infer it from them."""
    low, high = values.min().item(), values.max().item()
    in_unit = low >= 0 and high <= 1
    in_bits = in_unit and bool(((values == 0) | (values == 1)).all())
    found: Support = "bits" if in_bits else "unit" if in_unit else "real"
    if declared is None:
        return found
    if (declared == "bits" and not in_bits) or (declared == "unit" and not in_unit):
        rule = "0 or 1" if declared == "bits" else "in [0, 1]"
        raise DataError(
            f"{name} is declared as {declared}, so its values must be {rule}, got values in [{low:g}, {high:g}]; "
            "rescale them, or declare support='real'."
        )
    return declared


def _classes(labels: Any, count: int, name: str) -> Tensor:
    """Return labels as int64, shape (count,), after checking that they are whole numbers."""
    given = labels.detach().cpu().numpy() if isinstance(labels, Tensor) else np.asarray(labels)
    if given.shape != (count,):
        raise DataError(f"The labels of {name} must have shape ({count},), one per example, got {given.shape}.")
    real = np.issubdtype(given.dtype, np.integer) or np.issubdtype(given.dtype, np.floating)
    with np.errstate(invalid="ignore"):  # nan, infinity and numbers beyond 64 bits differ below
        whole = given.astype(np.int64) if real else given
    if not real or not np.array_equal(given, whole):
        raise DataError(f"The labels of {name} must be whole numbers, got {given.dtype}{_example(given, whole)}.")
    return torch.from_numpy(whole)


def _example(given: Any, whole: Any) -> str:
    """Return the first label that is not a whole number, as a clause of the message."""
    wrong = given[given != whole]
    return f" with {wrong[0]}" if len(wrong) else ""
