"""`Data`: the three splits of a data set in the user's units, with what makes a result reproducible."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from zoo.contract.data_spec import DataSpec, Support
from zoo.errors import DataError
from zoo.files.storage import write_atomically
from zoo.runtime.randomness import generator
from zoo.runtime.seeds import SPLIT_SEED

SPLITS = ("train", "valid", "test")

_MOST = 2**32  # values of a data set: 16 GiB as float32
_SHARES = (0.5, 0.1)  # of train and valid; the test split is the rest: it has to be large to compare samples with


@dataclass(frozen=True, eq=False)
class Data:
    """A data set, split.

    Args:
        name: what it is called in tables; the name that `--data` takes where there is one.
        spec: shape and support of one example.
        train, valid, test: float32, shape (N, *spec.shape), in the user's units.
        train_labels, valid_labels, test_labels: int64 classes, shape (N,), or None.
        epochs: the budget of a comparison that names none.
        enumerated: whether every split holds each pattern of the data's distribution exactly once.
        columns: names of the values of a table, in order; () where they have none.
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
        for split in SPLITS:
            x, labels = getattr(self, split), getattr(self, f"{split}_labels")
            if x.dtype != torch.float32 or x.shape[1:] != self.spec.shape:
                raise ValueError(
                    f"{split} must be float32 of shape (N, *{self.spec.shape}), got {x.dtype} {tuple(x.shape)}"
                )
            if len(x) == 0:
                raise ValueError(f"{split} must hold one example at least")
            if labels is not None and labels.shape != (len(x),):
                raise ValueError(f"{split}_labels must have shape ({len(x)},), got {tuple(labels.shape)}")

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
        """Split an array or tensor of examples, 50 % train, 10 % valid, 40 % test, by a fixed permutation.

        Bytes (uint8) are grey values of 0 to 255 and divided by 255, unless all are 0 or 1, or `support` is `real`.

        Args:
            x: shape (N, *shape), numbers; N at least 10.
            labels: whole numbers, shape (N,), or None.
            name: for the tables.
            support: declared; None finds it: `bits` if all values are 0 or 1, `unit` if all lie in [0, 1], else `real`.
            epochs: the budget of a comparison that names none.
            split_seed: of the permutation; never the training seed.
            columns: names of the values of a table.

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
        """Hash of the content: shape, support, and every split with its labels."""
        digest = hashlib.sha256(f"{self.spec.shape} {self.spec.support}".encode())
        for name, tensor in sorted(self._tensors().items()):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.contiguous().numpy().data)
        return digest.hexdigest()

    @cached_property
    def standardisation(self) -> tuple[Tensor, Tensor] | None:
        """(offset, scale) of the training split for real-valued data, each of shape `spec.shape`; None otherwise.

        A value that never changes has scale 1.
        """
        if self.spec.support != "real":
            return None
        offset, scale = self.train.double().mean(0), self.train.double().std(0, correction=0)
        return offset.float(), torch.where(scale > 1e-12 * (1 + offset.abs()), scale, 1.0).float()

    def standardise(self, x: Tensor) -> Tensor:
        """(x - offset) / scale for real-valued data; bits and grey values as they are."""
        if self.standardisation is None:
            return x
        offset, scale = self.standardisation
        return (x - offset) / scale

    def save(self, path: Path) -> None:
        """Write everything to one safetensors file, for `open`."""
        facts = {
            "name": self.name,
            "shape": self.spec.shape,
            "support": self.spec.support,
            "epochs": self.epochs,
            "enumerated": self.enumerated,
            "columns": self.columns,
            "sha256": self.sha256,
        }
        tensors = {name: tensor.clone() for name, tensor in self._tensors().items()}  # splits may be one tensor
        write_atomically(path, save(tensors, {"zoo": json.dumps(facts)}))

    @classmethod
    def open(cls, path: Path) -> Self:
        """Memory-map what `save` wrote: processes that open the same file share one copy."""
        with safe_open(path, framework="pt") as file:
            facts = json.loads(file.metadata()["zoo"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a mapping)
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

    def _tensors(self) -> dict[str, Tensor]:
        names = [*SPLITS, *(f"{split}_labels" for split in SPLITS)]
        return {name: getattr(self, name).contiguous() for name in names if getattr(self, name) is not None}


def as_examples(x: Any, name: str, support: Support | None = None) -> Tensor:
    """An array or tensor of examples as float32, shape (N, *shape); bytes above 1 are grey values, unless `real`.

    Raises:
        DataError: for fewer than 10 examples, and for what is no finite number.
    """
    values = _numbers(x, name)
    if values.ndim < 2 or len(values) < 10 or 0 in values.shape:
        raise DataError(f"{name} must have shape (N, …) with N at least 10, got {tuple(values.shape)}.")
    if values.dtype == torch.uint8 and support != "real" and values.max() > 1:
        values = values.to(torch.float32).div_(255)
    return _finite(values, name)


def as_numbers(x: Any, name: str) -> Tensor:
    """An array of numbers as it is, float32, its first side not empty.

    Raises:
        DataError: for what is no finite number, and for nothing.
    """
    values = _numbers(x, name)
    if values.ndim == 0 or 0 in values.shape:
        raise DataError(f"{name} must hold an array of numbers with N at least 1, got shape {tuple(values.shape)}.")
    return _finite(values, name)


def _numbers(x: Any, name: str) -> Tensor:
    """x as a tensor of real numbers of any kind, copied only where torch cannot share its memory."""
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
    """The numbers as float32, all of them finite."""
    single = values.to(torch.float32)
    if not torch.isfinite(single).all():
        came = "nan or infinity" if not torch.isfinite(values).all() else "numbers too large for 32 bits"
        raise DataError(f"{name} must hold finite numbers, got {came}; remove or fill those examples first.")
    return single


def _support(values: Tensor, declared: Support | None, name: str) -> Support:
    """The support of the values, after checking that a declared one holds."""
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
    """Labels as int64, shape (count,)."""
    given = labels.detach().cpu().numpy() if isinstance(labels, Tensor) else np.asarray(labels)
    if given.shape != (count,):
        raise DataError(f"The labels of {name} must have shape ({count},), one per example, got {given.shape}.")
    real = np.issubdtype(given.dtype, np.integer) or np.issubdtype(given.dtype, np.floating)
    with np.errstate(invalid="ignore"):  # nan, infinity and what 64 bits cannot hold differ below
        whole = given.astype(np.int64) if real else given
    if not real or not np.array_equal(given, whole):
        raise DataError(f"The labels of {name} must be whole numbers, got {given.dtype}{_example(given, whole)}.")
    return torch.from_numpy(whole)


def _example(given: Any, whole: Any) -> str:
    """The first of the labels that is no whole number."""
    wrong = given[given != whole]
    return f" with {wrong[0]}" if len(wrong) else ""
