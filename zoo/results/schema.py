"""What a `results.json` must be before anything is made of it; `docs/results-schema.md` says what it means.

Other keys may stand beside these. Everything here is only compared with the file, which stays as it was read.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError, model_validator

from zoo.errors import CheckpointError

Name = Annotated[str, Field(min_length=1, max_length=4000)]
Pair = Annotated[list[float], Field(min_length=2, max_length=2)]
Seed = Annotated[int, Field(ge=0)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow", protected_namespaces=())


class Difference(_Part):
    """To the best, paired by seed."""

    mean: float
    half_width: float | None


class PairDifference(Difference):
    """First minus second, paired by seed."""

    first: Name
    second: Name


class Figure(_Part):
    """A summary over the seeds."""

    mean: float
    half_width: float | None
    n: int
    values: list[float]
    kind: str
    note: str = ""
    bracket: Pair | None = None
    stderr: float | None = None
    standing: Literal["best", "tied", "behind", "open"] | None = None
    difference: Difference | None = None


class Missing(_Part):
    """Why there is no summary."""

    unsupported: str
    standing: None = None
    difference: None = None
    note: str = ""


def _which(summary: Any) -> str:
    return "figure" if isinstance(summary, dict) and "mean" in summary else "missing"


Summary = Annotated[Annotated[Figure, Tag("figure")] | Annotated[Missing, Tag("missing")], Discriminator(_which)]


class Measured(_Part):
    """A metric of one seed."""

    value: float | None = None


class Cell(_Part):
    """One seed of a row."""

    seed: Seed
    failed: str = ""
    lost: list[str] = []
    diagnostics: dict[str, bool | int | float | str | list[float]] = {}


class Row(_Part):
    """A contestant, a control, or real images."""

    contestant: Name
    role: Literal["contestant", "control", "real"]
    folder: Name | None
    settings: dict[str, Any] | None
    source: str | None
    parameters: float | None
    train_seconds: float | None
    sample_seconds_per_1000: float | None
    summary: dict[str, Summary]
    cells: list[Cell]


class Metric(_Part):
    """A metric's card."""

    name: Name
    title: Name
    summary: str
    direction: Literal["lower", "higher", "none"]
    level: Literal["headline", "detail", "full"]
    paper: str


class Variation(_Part):
    """One setting that was varied."""

    contestant: Name
    key: str
    value: Any
    default: bool
    failed: str = ""
    metrics: dict[str, Measured] = {}

    @model_validator(mode="after")
    def _is_whole(self) -> Variation:
        if not {"failed", "metrics"} & self.model_fields_set:
            raise ValueError("neither metrics nor why they failed")
        if self.key == "sample.steps" and not (isinstance(self.value, int) and self.value > 0):
            raise ValueError(f"sample.steps must be a whole number above 0, got {self.value!r}")
        return self


class DataFacts(_Part):
    """The data set."""

    name: str
    sha256: str
    split_seed: int
    sizes: list[int]
    shape: Annotated[list[Annotated[int, Field(gt=0)]], Field(min_length=1)]
    support: Literal["bits", "unit", "real"]
    classes: int | None


class Features(_Part):
    """The frozen feature space."""

    description: str
    sha256: str


class BudgetFacts(_Part):
    """Of each training."""

    value: float
    unit: str


class Protocol(_Part):
    """Under what conditions."""

    data: DataFacts
    reference: str
    reference_seed: int
    binarisation_seed: int
    samples: int
    features: Features
    versions: dict[str, str]
    extensions: list[str]
    device: str = "cpu"
    threads_per_process: int
    jobs: int
    budget: BudgetFacts
    seeds: Annotated[list[Seed], Field(min_length=1)]
    full: bool
    command: str
    wall_seconds: float
    in_process: list[str]
    changes: list[str] = []


class Results(_Part):
    """The whole file."""

    protocol: Protocol
    metrics: list[Metric]
    rows: Annotated[list[Row], Field(min_length=1)]
    differences: dict[str, list[PairDifference]] | None = None
    fooled: dict[str, list[str]]
    sensitivity: list[Variation]
    pictures: dict[str, Name | None]

    @model_validator(mode="after")
    def _every_metric_is_told_of(self) -> Results:
        """Each row has a summary of each metric, and what a control fools is among the metrics."""
        names = {metric.name for metric in self.metrics}
        for row in self.rows:
            if missing := sorted(names - row.summary.keys()):
                raise ValueError(f"the row {row.contestant!r} has no summary of {missing[0]!r}")
        if unknown := sorted({name for fooled in self.fooled.values() for name in fooled} - names):
            raise ValueError(f"'fooled' names {unknown[0]!r}, which is none of the metrics")
        return self


def check_results(results: Any, file: object) -> None:
    """Compare what stands in a file with the schema.

    Raises:
        CheckpointError: with the first place that is wrong.
    """
    try:
        Results.model_validate(results)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise CheckpointError(
            f"{file} is no results of a comparison, or damaged: {place}: {first['msg']}; see docs/results-schema.md."
        ) from None
