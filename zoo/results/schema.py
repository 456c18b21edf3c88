"""Typed contents of `results.json`; `docs/results-schema.md` documents each key.

Fields are declared in the order in which the file has them. Unset fields are absent from the file, and unknown keys are
kept. Objects are frozen: change one with `model_copy(update=...)`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

if TYPE_CHECKING:
    from zoo.contract.card import MetricCard

Role = Literal["contestant", "control", "real"]
Standing = Literal["best", "indistinguishable", "behind", "open", "tied"]  # tied: before genzoo 0.2


def _number(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """Validate a number and keep its type: `3` in a file stays `3`."""
    validate(value)
    return value


Name = Annotated[str, Field(min_length=1, max_length=4000)]
Number = Annotated[float, WrapValidator(_number)]
Pair = Annotated[Sequence[Number], Field(min_length=2, max_length=2)]
Seed = Annotated[int, Field(ge=0)]


class _Part(BaseModel):
    model_config = ConfigDict(
        strict=True, extra="allow", frozen=True, protected_namespaces=(), validate_by_name=True, validate_by_alias=True
    )


class Difference(_Part):
    """Mean difference to the best contestant, and what the table could tell of it.

    Attributes:
        half_width: of the 95 % interval of this difference alone.
        p_value: two-sided, corrected by Holm's method for every pair and column of the table.
        visible: the smallest difference that the table would have called significant.
        seeds_needed: number of seeds at which this difference would be significant; None if no number would do.
    """

    mean: Number
    half_width: Number | None
    p_value: Number | None = None
    visible: Number | None = None
    seeds_needed: int | None = None


class _Names(_Part):
    first: Name
    second: Name


class PairDifference(Difference, _Names):
    """Mean difference of two contestants, first minus second."""


class Figure(_Part):
    """A metric of one row, summarized over its seeds."""

    mean: Number
    half_width: Number | None
    n: int
    values: Sequence[Number]
    kind: str
    note: str = ""
    warning: str = ""
    stderr: Number | None = None
    seed_stderr: Number | None = None
    test_stderr: Number | None = None
    bracket: Pair | None = None
    bracket_stderr: Pair | None = None
    p_value: Number | None = None
    declared: bool = False
    standing: Standing | None = None
    difference: Difference | None = None


class Missing(_Part):
    """The reason why a row has no figure for a metric."""

    unsupported: str
    standing: None = None
    difference: None = None
    note: str = ""


def _tag(summary: Any) -> str:
    return "figure" if isinstance(summary, Figure) or (isinstance(summary, dict) and "mean" in summary) else "missing"


Summary = Annotated[Annotated[Figure, Tag("figure")] | Annotated[Missing, Tag("missing")], Discriminator(_tag)]


class Measured(_Part):
    """A metric of one cell: a value, or the reason why there is none."""

    value: Number | None = None
    kind: str = ""
    stderr: Number | None = None
    note: str = ""
    bracket: Pair | None = None
    bracket_stderr: Pair | None = None
    left_out: Sequence[Number] = ()
    p_value: Number | None = None
    warning: str = ""
    declared: bool = False
    unsupported: str = ""


class Cell(_Part):
    """One seed of a row: its measurements, or the reason why it failed."""

    seed: Seed
    failed: str = ""
    exit_code: int | None = None
    train_seconds: Number | None = None
    parameters: Number | None = None
    metrics: Mapping[str, Measured] = {}
    sample_seconds_per_1000: Number | None = None
    diagnostics: Mapping[str, bool | int | float | str | Sequence[Number]] = {}
    failed_attempts: Sequence[str] = Field(default=(), validation_alias="lost", serialization_alias="lost")

    @property
    def has_failed(self) -> bool:
        """Whether the cell failed."""
        return "failed" in self.model_fields_set  # the reason may be empty


class Row(_Part):
    """A contestant, a control, or the real images."""

    contestant: Name
    role: Role
    kind: str = ""
    folder: Name | None
    settings: Mapping[str, Any] | None
    source: str | None
    train_seconds: Number | None
    sample_seconds_per_1000: Number | None
    parameters: Number | None
    summary: Mapping[str, Summary]
    cells: Sequence[Cell]

    def figure(self, metric: str) -> Figure | None:
        """Return the figure of a metric, None where it is missing."""
        summary = self.summary.get(metric)
        return summary if isinstance(summary, Figure) else None

    @property
    def failed_cells(self) -> list[Cell]:
        """The cells that failed; a row with any is shown and never ranked."""
        return [cell for cell in self.cells if cell.has_failed]


class Metric(_Part):
    """A metric's card."""

    name: Name
    title: Name
    summary: str
    direction: Literal["lower", "higher", "none"]
    level: Literal["headline", "detail", "full"]
    paper: str
    ideal: Number | None = None
    two_sided: bool = False

    @classmethod
    def of(cls, card: MetricCard) -> Metric:
        """Return what the file has of a metric's card."""
        return cls(**{name: getattr(card, name) for name in cls.model_fields})

    @property
    def sign(self) -> int:
        """1 if higher is better, -1 if lower is better, 0 if the metric ranks nothing."""
        return {"higher": 1, "lower": -1, "none": 0}[self.direction]


class Variation(_Part):
    """One contestant with one setting varied: its measurements, or the reason why it failed."""

    contestant: Name
    key: str
    value: Any
    default: bool
    failed: str = ""
    metrics: Mapping[str, Measured] = {}

    @property
    def has_failed(self) -> bool:
        """Whether the variation failed."""
        return "failed" in self.model_fields_set  # the reason may be empty

    @model_validator(mode="after")
    def _is_complete(self) -> Variation:
        if not {"failed", "metrics"} & self.model_fields_set:
            raise ValueError("either metrics or failed is required")
        return self


class AtEpoch(_Part):
    """One contestant and seed after an epoch of the training: its measurements, or the reason why it failed."""

    contestant: Name
    seed: Seed
    epoch: Annotated[int, Field(gt=0)]
    failed: str = ""
    metrics: Mapping[str, Measured] = {}


class DataFacts(_Part):
    """The data set."""

    name: str
    sha256: str
    split_seed: int
    sizes: Sequence[int]
    shape: Annotated[Sequence[Annotated[int, Field(gt=0)]], Field(min_length=1)]
    support: Literal["bits", "unit", "real"]
    classes: int | None


class Features(_Part):
    """The frozen feature space."""

    description: str
    sha256: str


class BudgetFacts(_Part):
    """Training budget."""

    value: Number
    unit: str


class TuningTrial(_Part):
    """One trial of a contestant: its settings, and its measure on the validation split.

    Attributes:
        contestant: with the settings of the trial.
        state: a trial that was `stopped` early has no value.
        reason: why it failed.
    """

    number: int
    contestant: Name
    state: Literal["completed", "stopped", "failed"]
    value: Number | None = None
    reason: str = ""


class TunedContestant(_Part):
    """What tuning chose for a contestant.

    Attributes:
        tuned: the contestant with the chosen settings; the contestant itself if its defaults were best.
        space: setting -> the values to choose from.
        default_value, value: the measure on the validation split, of the defaults and of the choice; None if every
            training failed.
        completed, pruned, failed: number of trials that ended so.
        trials: all of them, in the order in which they were suggested.
    """

    contestant: Name
    tuned: Name
    space: Mapping[str, str]
    default_value: Number | None
    value: Number | None
    completed: int
    pruned: int
    failed: int
    trials: Sequence[TuningTrial] = ()

    @property
    def gain(self) -> float | None:
        """How much better the choice is than the defaults on the validation split, >= 0; None without either."""
        if self.default_value is None or self.value is None:
            return None
        return abs(self.value - self.default_value)  # the defaults are among the trials


class Tuning(_Part):
    """How contestants were tuned: as many trials for each, of the same budget, compared on the validation split.

    Attributes:
        trials: number for each contestant, its defaults included.
        budget: of each trial.
        metric, direction: what is measured on the validation split, and which values are better.
        seed: of the trainings.
        sampler: and its version, with the rule by which trials are stopped early.
    """

    trials: int
    budget: BudgetFacts
    metric: str
    direction: Literal["lower", "higher"] = "lower"
    seed: int
    sampler: str
    contestants: Sequence[TunedContestant]


class Protocol(_Part):
    """Experimental protocol."""

    data: DataFacts
    reference: str
    reference_seed: int | None = None  # of files before genzoo 0.2, which halved the test split
    binarisation_seed: int
    samples: int
    features: Features
    versions: Mapping[str, str]
    extensions: Sequence[str]
    device: str = "cpu"
    threads_per_process: int
    budget: BudgetFacts | None = None
    tuning: Tuning | None = None
    seeds: Annotated[Sequence[Seed], Field(min_length=1)]
    full: bool
    changes: Sequence[str] = ()
    command: str
    in_process: Sequence[str]
    jobs: int
    wall_seconds: Number


class Results(_Part):
    """Everything that a comparison found."""

    protocol: Protocol
    metrics: Sequence[Metric]
    rows: Annotated[Sequence[Row], Field(min_length=1)]
    differences: Mapping[str, Sequence[PairDifference]] | None = None
    fooled: Mapping[str, Sequence[str]]
    sensitivity: Sequence[Variation]
    over_epochs: Sequence[AtEpoch] = ()
    pictures: Mapping[str, Name | None]

    @model_validator(mode="after")
    def _is_consistent(self) -> Results:
        """Require a summary of each metric in each row, and known metrics in `fooled`."""
        names = {metric.name for metric in self.metrics}
        for row in self.rows:
            if missing := sorted(names - row.summary.keys()):
                raise ValueError(f"the row {row.contestant!r} has no summary of {missing[0]!r}")
        if unknown := sorted({name for fooled in self.fooled.values() for name in fooled} - names):
            raise ValueError(f"'fooled' names {unknown[0]!r}, which is not one of the metrics")
        return self
