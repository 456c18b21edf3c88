"""`Evaluation` and `Measurement`: the input of a metric for one contestant and seed, and its result.

Samples of [0, 1] data are compared as bits: one draw from each returned mean, against one draw from each grayscale
test image. This makes models that return means comparable with models that return draws. The draws have separate fixed
seeds, so that the reference does not depend on the training seed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from torch import Tensor

from zoo.contract.data_spec import into_unit
from zoo.errors import Unsupported
from zoo.evaluation.reference import reference_split
from zoo.files.storage import cache_folder
from zoo.runtime.randomness import bernoulli, generator
from zoo.runtime.seeds import BITS_SEED

if TYPE_CHECKING:
    from zoo.data.dataset import Data
    from zoo.evaluation.features import FeatureSpace
    from zoo.models.model import Model
    from zoo.plugins.registry import PluginRegistry


@dataclass(frozen=True)
class Measurement:
    """One figure for one trained contestant.

    Args:
        value: in the unit stated on the metric's card.
        kind: of a likelihood: `exact`, `lower`, `upper` or `estimate`; "" for all other figures.
        stderr: standard error from the sampling of the model, or of the estimator, with the test set held fixed; None
            if unknown.
        note: printed below the table.
        bracket: lower and upper bound of the figure, if both are known; `value` is the conservative one.
        bracket_stderr: standard errors of both ends, as `stderr`.
        left_out: the figure without each of G groups of the test examples in turn. The groups must be the same for
            every contestant. Their jackknife is the share of the test set in an interval, and, taken of a difference,
            the noise that two contestants do not share.
        p_value: of the hypothesis that samples and real examples have one distribution; seeds are pooled.
        warning: a reason not to trust the figure, flagged in the table; "" for none.
        declared: whether a likelihood rests on a noise that training did not use.
    """

    value: float
    kind: str = ""
    stderr: float | None = None
    note: str = ""
    bracket: tuple[float, float] | None = None
    bracket_stderr: tuple[float, float] | None = None
    left_out: tuple[float, ...] = ()
    p_value: float | None = None
    warning: str = ""
    declared: bool = False


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The input of a metric.

    Args:
        model: the trained contestant, or None for bare samples (the `real` row, samples from another tool).
        data: all three splits, in the user's units.
        generated: samples, shape (M, *shape), in the user's units, as returned by the model: means or draws; or the
            `zoo.Unsupported` that the model raised instead. Contestants have three to ten times as many as
            the reference.
        features: the frozen feature space of the data set.
        against: real images to compare with, the first N of the test split, shape (N, *shape); None uses all.
        labels: classes that the samples were drawn for, int64, shape (M,); None for samples without classes.
        registry: where `features_in` looks; None for the installed plugins.

    Raises:
        ValueError: if samples have another shape, are not finite, or are outside [0, 1] on [0, 1] data; or for another
            number of labels.
    """

    model: Model | None
    data: Data
    generated: Tensor | Unsupported
    features: FeatureSpace
    against: Tensor | None = None
    labels: Tensor | None = None
    registry: PluginRegistry | None = None

    def __post_init__(self) -> None:
        if isinstance(self.generated, Unsupported):
            return
        shape, x = self.data.spec.shape, self.generated
        if x.shape[1:] != shape or len(x) == 0:
            raise ValueError(f"samples must have shape (M, {', '.join(map(str, shape))}), got {tuple(x.shape)}")
        low, high = x.min().item(), x.max().item()  # nan if there is one
        if not math.isfinite(high - low):
            raise ValueError("samples must be finite, got nan or infinity")
        if self.data.spec.support != "real" and (low < 0 or high > 1):
            raise ValueError(f"samples must be in [0, 1], got values in [{low:g}, {high:g}]; {into_unit(low, high)}")
        if self.labels is not None and self.labels.shape != (len(x),):
            raise ValueError(f"labels must have shape ({len(x)},), got {tuple(self.labels.shape)}")

    @property
    def sample_labels(self) -> Tensor:
        """The classes of the samples; raises `zoo.Unsupported` for samples without classes."""
        self.samples  # noqa: B018  (raises the model's reason)
        if self.labels is None:
            raise Unsupported(
                "needs samples of given classes: a conditional model such as vae:conditional=true, or a latent density "
                "for each class, ae@gmm:density.per_class=true"
            )
        return self.labels

    @property
    def reference_labels(self) -> Tensor:
        """The classes of the reference; raises `zoo.Unsupported` for data without labels."""
        if self.data.test_labels is None:
            raise Unsupported("needs data with labels")
        return self.data.test_labels[: len(self.reference)]

    def test_y(self, n: int | None = None) -> Tensor | None:
        """Return the classes of the first n test examples, or of all, if the model is conditional; otherwise None."""
        if self.model is None or not self.model.is_conditional or self.data.test_labels is None:
            return None
        return self.data.test_labels[:n]

    @property
    def samples(self) -> Tensor:
        """The samples; raises the model's `zoo.Unsupported` if it does not generate."""
        if isinstance(self.generated, Unsupported):
            raise self.generated
        return self.generated

    @cached_property
    def reference(self) -> Tensor:
        """The real images to compare with, shape (N, *shape), in the user's units."""
        return reference_split(self.data).images if self.against is None else self.against

    @property
    def sample_bits(self) -> Tensor:
        """The samples as compared: one draw of bits from each mean; real-valued samples standardised."""
        return self._compared(self.samples, "bits of the samples")

    @property
    def reference_bits(self) -> Tensor:
        """The reference as compared: one draw of bits from each image; real-valued images standardised."""
        return self._compared(self.reference, "bits of the reference")

    @property
    def train_bits(self) -> Tensor:
        """The training split as compared: one draw of bits from each image; real-valued images standardised."""
        return self._compared(self.data.train, "bits of the training split")

    @cached_property
    def test_bits(self) -> Tensor:
        """The whole test split as used for likelihoods: bits drawn once, or real values in the user's units."""
        test = self.data.test
        return test if self.data.spec.support == "real" else bernoulli(test, generator(BITS_SEED, "bits of the test"))

    @property
    def test_as_trained(self) -> Tensor:
        """The test split in the form the model was trained on: grayscale, real, or `test_bits` for a model of bits."""
        return self.test_bits if self.model is not None and self.model.trains_on_bits else self.data.test

    @cached_property
    def sample_features(self) -> Tensor:
        """φ(sample_bits), float64, shape (M, d)."""
        return self.features(self.sample_bits)

    @cached_property
    def reference_features(self) -> Tensor:
        """φ(reference_bits), float64, shape (N, d)."""
        return self.features(self.reference_bits)

    @cached_property
    def returned_features(self) -> Tensor:
        """φ of the samples as returned by the model, means or draws, so that copied training images stay copies."""
        return self.features(self.data.standardise(self.samples))

    @cached_property
    def train_features(self) -> Tensor:
        """φ of the training split in the form of `returned_features`: as it is, or bits if the samples are bits."""
        return self.features(self.train_bits if self.returns_bits else self.data.standardise(self.data.train))

    @cached_property
    def held_out_features(self) -> Tensor:
        """φ of the reference, held-out real images, in the form of `returned_features`."""
        return self.reference_features if self.returns_bits else self.features(self.data.standardise(self.reference))

    def features_in(self, name: str) -> FeatureSpace:
        """Return another feature space of the data, a plugin of `zoo.features`; raises its `zoo.Unsupported`."""
        from zoo.evaluation.features import feature_space

        return feature_space(self.data, cache_folder("features"), name, self.registry)

    @property
    def returns_bits(self) -> bool:
        """Whether the samples of [0, 1] data are draws: 0 and 1 only."""
        return self.data.spec.support != "real" and bool(((self.samples == 0) | (self.samples == 1)).all())

    def _compared(self, x: Tensor, purpose: str) -> Tensor:
        if self.data.spec.support == "real":
            return self.data.standardise(x)
        return bernoulli(x, generator(BITS_SEED, purpose))
