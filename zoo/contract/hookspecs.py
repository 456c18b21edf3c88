"""The whole contract between the zoo and its plugins, on one page.

A plugin is one stateless object behind one entry point: a `card` that says what it is, and hooks
marked with `@zoo.hookimpl`. The core calls every hook through pluggy, by keyword, so a hook names
only the arguments that it needs. A hook that a model cannot honour raises `zoo.Unsupported("why")`;
tables then show `n/a` with that reason.

In the shapes below B is a batch, N a number of examples, `data.shape` the shape of one example
(without the batch) and `latent` the shape of one code.

Every tensor and generator that a model's hook is given is on the model's device, the processor or a
GPU, and so are its answers; `build` and `initialise` always run on the processor.

This module is imported at start-up and imports nothing but pluggy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Generator, Tensor, nn

    from zoo.contract.config import Config
    from zoo.contract.data_spec import DataSpec
    from zoo.contract.log_prob import LogProb
    from zoo.data.dataset import Data
    from zoo.evaluation.evaluation import Evaluation, Measurement
    from zoo.training.meter import Meter, Step

PROJECT = "zoo"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

# One value answers a hook; a wrapper (`@zoo.hookimpl(wrapper=True)`) may stand around it.
_one = hookspec(firstresult=True)


class ModelHooks:
    """Entry-point group `zoo.models`: required are `build`, `encode`, `decode`, `sample`, and `loss` or `fit`."""

    required: tuple[str, ...] = ("build", "encode", "decode", "sample")

    @_one
    def build(self, config: Config, data: DataSpec) -> nn.Module:
        """Return the untrained model for examples of `data.shape` and `data.support`.

        Structure only: it is called on load too, where there is no data set. The global random state is
        seeded for it. Raise `zoo.Unsupported` for a support that the model has no likelihood for.
        """
        raise NotImplementedError

    @_one
    def initialise(self, model: nn.Module, train: Tensor) -> None:
        """Optional: put into the model what the training split tells before the first step.

        `train` has shape (N, *data.shape): grey values for [0, 1] data, standardised values for real data.
        """
        raise NotImplementedError

    @_one
    def loss(self, model: nn.Module, x: Tensor, generator: Generator, step: Step) -> dict[str, Tensor]:
        """Return `{"loss": scalar to minimise, …}`; the core differentiates it and logs every entry.

        `x` has shape (B, *data.shape), as `card.trains_on` asks for it. `step` has `index` (updates so
        far), `epoch` and `progress` (the share of the budget that is used, in [0, 1]). In evaluation mode
        (`model.training` is False) it must leave the model as it is, and a lower value must be better:
        early stopping watches it there.
        """
        raise NotImplementedError

    @_one
    def fit(self, model: nn.Module, train: Tensor, valid: Tensor, generator: Generator, budget: Meter) -> None:
        """Instead of `loss`: train in closed form, or in phases of your own.

        `train` and `valid` have shape (N, *data.shape), grey or real; draw bits with
        `zoo.bernoulli(p, generator)`. Call `budget.step(model, **losses)` after each step, and end when
        `budget.exhausted` says so: `step` counts and logs, and refuses a step beyond the budget. A `fit` is
        not saved on its way: after an interruption it begins again.
        """
        raise NotImplementedError

    @_one
    def encode(self, model: nn.Module, x: Tensor, generator: Generator | None) -> Tensor:
        """Return the codes of x, shape (B, *latent).

        Without a generator: the mean of q(z|x), of p(h=1|v), or h itself; of an index the most likely one.
        With one: a draw. `latent` may be (), for a single value: shape (B,).
        """
        raise NotImplementedError

    @_one
    def decode(self, model: nn.Module, z: Tensor, generator: Generator | None) -> Tensor:
        """Return E[x|z] in the data's range, shape (B, *data.shape).

        With a generator (real-valued data only): a draw from p(x|z), where the model has observation noise.
        """
        raise NotImplementedError

    @_one
    def sample(self, model: nn.Module, n: int, generator: Generator, options: Config) -> Tensor:
        """Return n samples of the model's own distribution, shape (n, *data.shape).

        On [0, 1] data they are means or draws, as `card.samples` says; on real data draws, observation
        noise included. `options` is a `card.options`.
        """
        raise NotImplementedError

    @_one
    def log_prob(
        self, model: nn.Module, x: Tensor, generator: Generator, options: Config, prior: LatentDensity | None
    ) -> tuple[LogProb, ...]:
        """Optional: log p(x) in nats for each of the N examples, called once with the whole set.

        Several answers make a bracket (a lower and an upper bound). `prior` is the latent density attached
        to the model, None for its own prior; where one is attached and the hook does not name `prior`, the
        model has no likelihood.
        """
        raise NotImplementedError

    @_one
    def sample_codes(self, model: nn.Module, n: int, generator: Generator, options: Config) -> Tensor:
        """Optional: draw n of the codes that `sample` decodes, shape (n, *latent): z ~ p(z), h at the end of a chain.

        With it the comparison can say how far the codes that are decoded are from those of real data.
        """
        raise NotImplementedError

    @_one
    def log_prob_codes(self, model: nn.Module, z: Tensor) -> Tensor:
        """Optional: log p(z) in nats under what `sample_codes` draws from, z of shape (B, *latent), shape (B,)."""
        raise NotImplementedError

    @_one
    def diagnose(
        self, model: nn.Module, train: Tensor, valid: Tensor, generator: Generator
    ) -> dict[str, float | str | list[float]]:
        """Optional: figures that only a model of this kind has, by name ("active units": 14.0), for the report.

        `train` and `valid` have shape (N, *data.shape), as training shows them: bits, grey or real.
        """
        raise NotImplementedError


class LatentDensity:
    """What `prior` offers to `log_prob`: a fitted density over flat codes, float64 inside."""

    def sample(self, n: int, generator: Generator) -> Tensor:
        """Draw n codes, shape (n, D)."""
        raise NotImplementedError

    def log_prob(self, z: Tensor) -> Tensor:
        """log p(z) in nats for codes of shape (B, D), shape (B,)."""
        raise NotImplementedError


class DensityHooks:
    """Entry-point group `zoo.densities`: a density over codes, fitted after the model is trained."""

    required = ("fit", "sample", "log_prob")

    @_one
    def fit(self, codes: Tensor, generator: Generator) -> dict[str, Tensor]:
        """Fit to draws of the training split's codes, float64, shape (N, D); return its whole state as tensors."""
        raise NotImplementedError

    @_one
    def sample(self, state: dict[str, Tensor], n: int, generator: Generator) -> Tensor:
        """Draw n codes, float64, shape (n, D)."""
        raise NotImplementedError

    @_one
    def log_prob(self, state: dict[str, Tensor], z: Tensor) -> Tensor:
        """log p(z) in nats for codes z of shape (B, D), float64, shape (B,)."""
        raise NotImplementedError


class DatasetHooks:
    """Entry-point group `zoo.datasets`: something that `--data NAME` or `--data NAME:ARGUMENT` finds."""

    required = ("load",)

    @_one
    def load(self, argument: str, folder: Path | None) -> Data:
        """Return the split data. `argument` is what follows the colon, or "". `folder` is where files may lie."""
        raise NotImplementedError


class MetricHooks:
    """Entry-point group `zoo.metrics`: one figure of the table."""

    required = ("measure",)

    @_one
    def measure(self, evaluation: Evaluation) -> float | Measurement:
        """Return the figure for one trained contestant; raise `zoo.Unsupported("why")` where it has none."""
        raise NotImplementedError


class ExtensionHooks(ModelHooks):
    """Entry-point group `zoo.extensions`: wrappers around any of a model's hooks (`@zoo.hookimpl(wrapper=True)`).

    A wrapper is a generator: `answer = yield` lets the model answer, and what it returns takes the answer's place.
    Results record which extensions were active; `--no-extensions` leaves them out.
    """

    required = ()


#: entry-point group -> the hooks that a plugin of that group implements
GROUPS: dict[str, type] = {
    "zoo.models": ModelHooks,
    "zoo.densities": DensityHooks,
    "zoo.datasets": DatasetHooks,
    "zoo.metrics": MetricHooks,
    "zoo.extensions": ExtensionHooks,
}

#: the groups whose plugins wrap instead of answering
WRAPPERS = ("zoo.extensions",)
