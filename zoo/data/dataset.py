"""`zoo.Data`: a data set in the user's units, split into training, validation and test examples."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from zoo.contract.data_spec import DataSpec, Support
from zoo.errors import DataError
from zoo.files.tensor_file import hash_tensors, map_plain, write_plain
from zoo.runtime.notebook import facts_table, one_line
from zoo.runtime.randomness import generator
from zoo.runtime.seeds import SPLIT_SEED
from zoo.scalars import plain

SPLITS = ("train", "valid", "test")

_MOST = 2**32  # values of a data set: 16 GiB as float32
_MOST_CLASSES = 10_000  # of a conditional model
_SHARES = (0.5, 0.1)  # train and valid; the test split is the rest, because comparing samples needs a large one


@dataclass(frozen=True, eq=False, repr=False)
class Data:
    """A data set with its training, validation and test splits.

    Args:
        name: name in tables; for a registered data set, the name that `--data` takes.
        spec: shape and support of one example.
        train, valid, test: float32, shape (N, *spec.shape), N at least 1, in the user's units.
        train_labels, valid_labels, test_labels: int64 class labels, shape (N,), or None.
        epochs: the default training budget.
        enumerated: whether every split contains each pattern of the distribution exactly once.
        columns: names of a table's columns, in order; () if they have no names.

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

    def __post_init__(self) -> None:
        object.__setattr__(self, "epochs", plain(self.epochs))
        for split in SPLITS:
            x, labels = getattr(self, split), getattr(self, f"{split}_labels")
            if x.dtype != torch.float32 or x.shape[1:] != self.spec.shape:
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
    ) -> Self:
        """Split an array or tensor of examples by a fixed permutation: 50 % train, 10 % valid, 40 % test.

        Bytes (uint8) are read as grayscale values from 0 to 255 and divided by 255, unless all are 0 or 1 or `support`
        is `real`.

        Args:
            x: real numbers, shape (N, *shape), N at least 10.
            labels: whole numbers, shape (N,), or None.
            name: name in tables.
            support: the declared support; None infers it: `bits` if all values are 0 or 1, `unit` if all are in
                [0, 1], otherwise `real`.
            epochs: the default training budget.
            split_seed: seed of the permutation, independent of any training seed.
            columns: names of a table's columns.

        Raises:
            DataError: for values that are not finite or outside the declared support, or labels that do not match.
        """
        values = as_examples(x, name, support)
        spec = DataSpec(tuple(values.shape[1:]), _support(values, support, name))
        classes = None if labels is None else _classes(labels, len(values), name)
        order = torch.randperm(len(values), generator=generator(split_seed, "split"))
        sizes = [round(share * len(values) + 1e-9) for share in _SHARES]
        parts = order.split([*sizes, len(values) - sum(sizes)])
        train, valid, test = (values[part] for part in parts)
        labels = [None if classes is None else classes[part] for part in parts]
        return cls(name, spec, train, valid, test, labels[0], labels[1], labels[2], epochs, columns=columns)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the content: shape, support, and every split with its labels; the name does not count."""
        return hash_tensors(f"{self.spec.shape} {self.spec.support}", self._tensors())

    @cached_property
    def standardisation(self) -> tuple[Tensor, Tensor] | None:
        """(offset, scale) of the training split for real-valued data, each of shape `spec.shape`; None otherwise.

        A column that is constant has scale 1.
        """
        if self.spec.support != "real":
            return None
        offset, scale = self.train.double().mean(0), self.train.double().std(0, correction=0)
        return offset.float(), torch.where(scale > 1e-12 * (1 + offset.abs()), scale, 1.0).float()

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

    def without_labels(self) -> Self:
        """Return the same examples without labels."""
        return replace(self, train_labels=None, valid_labels=None, test_labels=None)

    def standardise(self, x: Tensor) -> Tensor:
        """Return (x - offset) / scale for real-valued data; bits and [0, 1] values are returned unchanged."""
        if self.standardisation is None:
            return x
        offset, scale = self.standardisation
        return (x - offset) / scale

    def save(self, path: Path) -> None:
        """Write the data set to one safetensors file for `open`."""
        facts = {
            "name": self.name,
            "shape": self.spec.shape,
            "support": self.spec.support,
            "epochs": self.epochs,
            "enumerated": self.enumerated,
            "columns": self.columns,
            "sha256": self.sha256,
        }
        tensors = {name: tensor.clone() for name, tensor in self._tensors().items()}  # splits may share memory
        write_plain(path, tensors, facts)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Memory-map a file written by `save`; processes that open the same file share one copy in memory."""
        facts, tensors = map_plain(path)
        data = cls(
            facts["name"],
            DataSpec(tuple(facts["shape"]), facts["support"]),
            **tensors,
            epochs=facts["epochs"],
            enumerated=facts["enumerated"],
            columns=tuple(facts["columns"]),
        )
        data.__dict__["sha256"] = facts["sha256"]
        return data

    def _number_of_classes(self) -> int | None:
        """Return the number of classes in the training split; None without labels."""
        return None if self.train_labels is None else len(self.train_labels.unique())

    def _tensors(self) -> dict[str, Tensor]:
        names = [*SPLITS, *(f"{split}_labels" for split in SPLITS)]
        return {name: getattr(self, name).contiguous() for name in names if getattr(self, name) is not None}


def as_examples(x: Any, name: str, support: Support | None = None) -> Tensor:
    """Return an array or tensor of examples as float32, shape (N, *shape).

    Bytes are divided by 255 if any is above 1 and `support` is not `real`.

    Raises:
        DataError: for fewer than 10 examples, and for values that are not finite real numbers.
    """
    values = _numbers(x, name)
    if values.ndim < 2 or len(values) < 10 or 0 in values.shape:
        raise DataError(f"{name} must have shape (N, …) with N at least 10, got {tuple(values.shape)}.")
    if values.dtype == torch.uint8 and support != "real" and values.max() > 1:
        values = values.to(torch.float32).div_(255)
    return _finite(values, name)


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
        if array.size > _MOST:
            raise DataError(f"{name} holds {array.size:,} values; more than {_MOST:,} are not read.")
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
