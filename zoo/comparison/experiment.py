"""`experiment.toml`: a comparison as a file, whose keys are arguments of `zoo.compare`. Imports no torch.

    contestants = ["rbm", "ae@gmm", "vae:beta=0.5|1|4"]
    data = "digits"
    seeds = 5
    epochs = 20

Relative paths of finished runs and of samples start from `directory`, those of data from the folder of the call.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from zoo.comparison.contestants import parse_row
from zoo.comparison.measures import Measure
from zoo.comparison.over_epochs import chosen_epochs
from zoo.comparison.plan import Plan
from zoo.contestant import expand
from zoo.contract.config import Config
from zoo.errors import ConfigError
from zoo.files.storage import write_atomically
from zoo.runtime.device_names import DEVICE_NAME, RULE
from zoo.training.budget import TrainingBudget

FILE = "experiment.toml"


def _contestant(text: str, info: ValidationInfo) -> str:
    try:
        for each in expand(text):
            parse_row(each, Path(info.data.get("directory") or ""))
    except ConfigError as error:
        raise ValueError(str(error).rstrip(".")) from None
    return text


def _epochs(epochs: tuple[int, ...]) -> tuple[int, ...]:
    try:
        return chosen_epochs(epochs)
    except ConfigError as error:
        raise ValueError(str(error).rstrip(".")) from None


def _device(name: str) -> str:
    if not DEVICE_NAME.fullmatch(name):
        raise ValueError(RULE)
    return name


def _data(data: Any) -> Any:
    """Check a name or path, or several of them."""
    if data is None:
        return None
    several = isinstance(data, tuple) and all(isinstance(each, str) for each in data)
    if not (isinstance(data, str) or (several and len(set(data)) == len(data) > 0)):
        raise ValueError("must be a name or path, or a list of different ones")
    return data[0] if several and len(data) == 1 else data


def _numbered(seeds: Any) -> Any:
    """Return the seeds 0, 1, … for their number."""
    return tuple(range(seeds)) if type(seeds) is int and seeds > 0 else seeds


def _distinct(seeds: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(seeds)) < len(seeds):
        raise ValueError("must be distinct")
    return seeds


_Positive = Annotated[float, Field(gt=0)]


class Experiment(Config):
    """What a comparison asks for; `zoo.compare` documents the keys."""

    directory: str | None = None
    contestants: tuple[Annotated[str, AfterValidator(_contestant)], ...] = ()
    data: Annotated[Any, AfterValidator(_data)] = None  # str, or a tuple of them
    seeds: (
        Annotated[
            tuple[Annotated[int, Field(ge=0)], ...],
            BeforeValidator(_numbered),
            AfterValidator(_distinct),
            Field(min_length=1),
        ]
        | None
    ) = None
    epochs: _Positive | None = None
    steps: Annotated[int, Field(gt=0)] | None = None
    seconds: _Positive | None = None
    over_epochs: Annotated[tuple[int, ...], AfterValidator(_epochs)] | None = None
    full: bool = False
    quick: bool = False
    controls: bool = False
    tune: Annotated[int, Field(ge=0)] = 0
    measure: Measure = "kernel"
    n: Annotated[int, Field(ge=2)] | None = None
    features: str = ""
    metrics: tuple[str, ...] = ()
    device: Annotated[str, AfterValidator(_device)] = "cpu"
    jobs: Annotated[int, Field(ge=1)] | None = None
    method: Literal["fork", "spawn"] | None = None
    timeout: _Positive | None = None

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read an experiment file.

        Raises:
            ConfigError: naming every invalid key and value, or if the file is not TOML.
        """
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"{path} cannot be read: {error.strerror or error}.") from None
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"{path} is not a valid TOML file: {error}.") from None
        return cls.parse(values, str(path))

    @classmethod
    def of(cls, plan: Plan, budget: TrainingBudget | None, executor: Mapping[str, Any]) -> Self:
        """Return the experiment that repeats a comparison of named data.

        Args:
            plan: of the comparison.
            budget: of every training; None for the data set's, or without trainings.
            executor: `jobs`, `method` and `timeout`.
        """
        from_files = any(row.kind in ("run", "samples") for row in plan.rows)
        more: dict[str, Any] = {} if plan.over_epochs or budget is None else {budget.unit: _number(budget)}
        more |= {"measure": plan.measure, **executor}
        return cls(
            directory=plan.directory if from_files else None,
            contestants=plan.contestants,
            data=plan.source,
            seeds=plan.seeds,
            over_epochs=plan.over_epochs or None,
            full=plan.full,
            controls=bool(plan.controls) and not plan.full,
            tune=plan.tune,
            n=plan.n,
            features=plan.features,
            metrics=plan.metrics,
            device=plan.device,
            **more,
        )

    def write(self, path: Path) -> None:
        """Write the keys that differ from their defaults."""
        values = self.model_dump(exclude_defaults=True)
        write_atomically(path, "".join(f"{key} = {_toml(value)}\n" for key, value in values.items()).encode())

    @property
    def arguments(self) -> dict[str, Any]:
        """What the file asks for, as arguments of `compare`."""
        return self.model_dump()


def _number(budget: TrainingBudget) -> float:
    """Return the value of a budget; a number of steps is whole."""
    return int(budget.value) if budget.unit == "steps" else float(budget.value)


def _toml(value: Any) -> str:
    """Return a text, number, truth value, or tuple of them as TOML, of which JSON's forms are a part."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
