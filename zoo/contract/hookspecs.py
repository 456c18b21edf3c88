"""The contract between the core and its plugins: the hooks of each entry-point group.

A plugin is one stateless object behind one entry point. It has a `card`, which describes it, and hooks
marked with `@zoo.hookimpl`. The core calls every hook through pluggy, by keyword, so a hook names only
the arguments that it needs. A hook that a model cannot support raises `zoo.Unsupported("why")`; tables
then show `n/a` with that reason.

In the shapes below, B is the size of a batch, N a number of examples, `data.shape` the shape of one
example (without the batch) and `latent` the shape of one code.

All tensors and generators that a model's hook receives are on the model's device (CPU or GPU), and the
tensors that it returns must be on that device too; `build` always runs on the CPU, and `initialise` does
before the first step.

For a model that is conditional (`card.conditional`), `y` are the classes 0, 1, … of the examples, int64, one
per example; for any other model, `y` is None.

The core passes every argument that a hook names. The arguments that version 0.2 added have a default here, so that
a plugin written for 0.1 can still call another plugin's hooks without them.

This module is imported at start-up and imports only pluggy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from torch import Generator, Tensor, nn

    from zoo.contract.config import Config
    from zoo.contract.data_spec import DataSpec
    from zoo.contract.log_prob import LogProb
    from zoo.contract.tracked_run import TrackedRun
    from zoo.data.dataset import Data
    from zoo.evaluation.evaluation import Evaluation, Measurement
    from zoo.training.meter import Meter, Step

PROJECT = "zoo"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

# One implementation returns the value; extensions may wrap it (`@zoo.hookimpl(wrapper=True)`).
_one = hookspec(firstresult=True)


class Hooks:
    """Base class of the hooks of a group; `required` lists those that every plugin of the group must have."""

    required: tuple[str, ...] = ()


class ModelHooks(Hooks):
    """Entry-point group `zoo.models`. Required hooks: `build`, `encode`, `decode`, `sample`, and `loss` or `fit`."""

    required: tuple[str, ...] = ("build", "encode", "decode", "sample")

    @_one
    def build(self, config: Config, data: DataSpec) -> nn.Module:
        """Return the untrained model for examples of `data.shape` and `data.support`.

        For a conditional model, `data.n_classes` is the number of classes.
        The hook defines the structure only: it is also called when a model file is loaded, without a data
        set. The global random state is seeded before the call. Raise `zoo.Unsupported` for a support that
        the model does not handle.
        """
        raise NotImplementedError

    @_one
    def initialise(
        self,
        model: nn.Module,
        train: Tensor,
        generator: Generator | None = None,
        phase: str = "",
        y: Tensor | None = None,
    ) -> None:
        """Optional: initialise parameters from statistics of the training split, before the first step.

        `train` has shape (N, *data.shape): grayscale values for [0, 1] data, standardised values for real data.
        `y` are its classes, shape (N,).
        A hook that names `phase` is called at the beginning of each phase of the card, with the weights that the
        phases before it have trained: on the CPU before the first step, on the model's device at later phases.
        """
        raise NotImplementedError

    @_one
    def loss(
        self,
        model: nn.Module,
        x: Tensor,
        generator: Generator,
        step: Step,
        player: str = "",
        y: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Return `{"loss": scalar to minimise, …}`; the core differentiates the loss and logs every entry.

        `x` is a batch of shape (B, *data.shape), prepared as `card.trains_on` says, and `y` its classes, shape (B,).
        `step` has `index` (number of updates so far), `epoch`, `progress` (used share of the budget of the phase, in
        [0, 1]) and `phase` (its name). `player` is the name of the player whose turn it is: the loss is the one that
        this player minimises, and only its parameters change. Modules that the phase does not train are in evaluation
        mode. In evaluation mode (`model.training` is False) the hook must not change the model, and a lower loss must
        mean a better model, because early stopping uses it.
        """
        raise NotImplementedError

    @_one
    def fit(
        self,
        model: nn.Module,
        train: Tensor,
        valid: Tensor,
        generator: Generator,
        budget: Meter,
        y: Tensor | None = None,
        valid_y: Tensor | None = None,
    ) -> None:
        """Train the model in closed form or by an algorithm of its own, such as EM; replaces `loss`.

        `train` and `valid` have shape (N, *data.shape) and contain grayscale or real values; draw bits with
        `zoo.bernoulli(p, generator)`. `y` and `valid_y` are their classes, shape (N,).
        Call `budget.step(model, **losses)` after each update on a batch, or `budget.whole_pass(model, **losses)`
        after one on all examples, and stop when `budget.exhausted` is true: `step` counts
        and logs the steps, and refuses a step beyond the budget.
        `budget.batch_size` is the batch size of the settings; the card must not set any other field of
        `zoo.Training`, and users cannot. No checkpoints are saved during `fit`: after an interruption it starts again,
        and a finished run is not trained again.
        """
        raise NotImplementedError

    @_one
    def encode(
        self,
        model: nn.Module,
        x: Tensor,
        generator: Generator | None,
        y: Tensor | None = None,
        options: Config | None = None,
    ) -> Tensor:
        """Return the codes of x, shape (B, *latent), given its classes `y`, shape (B,).

        Without a generator: the mean of q(z|x), the probabilities p(h=1|v), or the code of a deterministic
        encoder; for codes that are indices, the most likely index. With a generator: a draw. `latent` may
        be () for a code of a single value, shape (B,). `options` is an instance of `card.options`.
        """
        raise NotImplementedError

    @_one
    def decode(
        self,
        model: nn.Module,
        z: Tensor,
        generator: Generator | None,
        y: Tensor | None = None,
        options: Config | None = None,
    ) -> Tensor:
        """Return E[x|z] in the data's range, shape (B, *data.shape); E[x|z, y] given the classes `y`, shape (B,).

        With a generator (real-valued data only): a draw from p(x|z), if the model has observation noise.
        `options` is an instance of `card.options`.
        """
        raise NotImplementedError

    @_one
    def sample(
        self, model: nn.Module, n: int, generator: Generator, options: Config, y: Tensor | None = None
    ) -> Tensor:
        """Return n samples from the model's distribution, shape (n, *data.shape), of the classes `y`, shape (n,).

        For [0, 1] data, samples are means or draws, as `card.samples` says; for real data they are draws,
        observation noise included. `options` is an instance of `card.options`. The same generator and n must give
        the same samples; how those of another n relate to them is not part of the contract.
        """
        raise NotImplementedError

    @_one
    def log_prob(
        self,
        model: nn.Module,
        x: Tensor,
        generator: Generator,
        options: Config,
        prior: LatentDensity | None,
        y: Tensor | None = None,
    ) -> tuple[LogProb, ...]:
        """Optional: return log p(x) in nats for each of the N examples; called once with the whole set.

        For a conditional model: log p(x|y) given the classes `y`, shape (N,).
        Several results form a bracket (a lower and an upper bound). `prior` is the latent density attached
        to the model, or None for the model's own prior. If a density is attached and the hook does not name
        `prior`, the model has no likelihood.
        """
        raise NotImplementedError

    @_one
    def sample_codes(
        self, model: nn.Module, n: int, generator: Generator, options: Config, y: Tensor | None = None
    ) -> Tensor:
        """Optional: return n draws of the codes that `sample` decodes for classes `y`, shape (n, *latent).

        They are z ~ p(z), or h at the end of a Markov chain. The comparison then measures how far these codes
        are from the codes of real data.
        """
        raise NotImplementedError

    @_one
    def sample_path(
        self, model: nn.Module, n: int, generator: Generator, options: Config, y: Tensor | None = None
    ) -> Tensor:
        """Optional: return the states of n samples on their way from noise to data, shape (T, n, *data.shape), T ≥ 2.

        The last state is what `sample` returns with the same generator, options and classes. Of [0, 1] data, the
        states before it are clipped to [0, 1], so that they can be shown.
        """
        raise NotImplementedError

    @_one
    def log_prob_codes(self, model: nn.Module, z: Tensor) -> Tensor:
        """Optional: return log p(z) in nats, shape (B,), of codes z of shape (B, *latent).

        p(z) is the distribution that `sample_codes` draws from.
        """
        raise NotImplementedError

    @_one
    def diagnose(
        self,
        model: nn.Module,
        train: Tensor,
        valid: Tensor,
        generator: Generator,
        y: Tensor | None = None,
        valid_y: Tensor | None = None,
    ) -> dict[str, float | str | list[float]]:
        """Optional: return diagnostics specific to this kind of model, by name ("active units": 14.0).

        The report shows them, and a text that starts with "yes: " also stands below the table: name it after a
        failure of training ("posterior collapse"). `train` and `valid` have shape (N, *data.shape) and are what
        training uses: bits, grayscale or real values. `y` and `valid_y` are their classes, shape (N,).
        """
        raise NotImplementedError


class LatentDensity:
    """A fitted density over flat codes, as `log_prob` receives it in `prior`; computes in float64."""

    def sample(self, n: int, generator: Generator) -> Tensor:
        """Return n draws, shape (n, D)."""
        raise NotImplementedError

    def log_prob(self, z: Tensor) -> Tensor:
        """Return log p(z) in nats, shape (B,), of codes of shape (B, D)."""
        raise NotImplementedError


class DensityHooks(Hooks):
    """Entry-point group `zoo.densities`: densities over codes, fitted after the model is trained."""

    required = ("fit", "sample", "log_prob")

    @_one
    def fit(self, codes: Tensor, generator: Generator) -> dict[str, Tensor]:
        """Fit the density to codes drawn for the training split, float64, shape (N, D); return its state.

        The tensors of the state are saved in the model file and passed to the other hooks.
        """
        raise NotImplementedError

    @_one
    def sample(self, state: dict[str, Tensor], n: int, generator: Generator) -> Tensor:
        """Return n draws, float64, shape (n, D)."""
        raise NotImplementedError

    @_one
    def log_prob(self, state: dict[str, Tensor], z: Tensor) -> Tensor:
        """Return log p(z) in nats, float64, shape (B,), of codes z of shape (B, D)."""
        raise NotImplementedError


class DatasetHooks(Hooks):
    """Entry-point group `zoo.datasets`: data sets, selected with `--data NAME` or `--data NAME:ARGUMENT`."""

    required = ("load",)

    @_one
    def load(self, argument: str, folder: Path | None) -> Data:
        """Return the data, split into training, validation and test examples.

        `argument` is the text after the colon, or "". `folder` is where to look for files (`ZOO_DATA`), or None.
        """
        raise NotImplementedError


class FeatureHooks(Hooks):
    """Entry-point group `zoo.features`: feature spaces of the metrics, selected with `zoo compare --features NAME`.

    Both hooks run with torch's random state seeded, and once per data set: the weights are cached in a file, and their
    hash is part of the protocol. They must not look at the test split.
    """

    required = ("build", "fit")

    @_one
    def build(self, data: Data) -> nn.Module:
        """Return φ, a network from examples to features, (B, *data.shape) -> (B, d), before it is trained.

        It receives examples as they are compared: bits for data in [0, 1], and grayscale values for some metrics;
        standardised values for real data. Raise `zoo.Unsupported("why")` for data that it has no features for.
        """
        raise NotImplementedError

    @_one
    def fit(self, network: nn.Module, data: Data) -> str:
        """Train φ, or load its weights; return its description, one line for the protocol."""
        raise NotImplementedError


class MetricHooks(Hooks):
    """Entry-point group `zoo.metrics`: metrics, each a column of the table."""

    required = ("measure",)

    @_one
    def measure(self, evaluation: Evaluation) -> float | Measurement:
        """Return the metric's value for one trained contestant; raise `zoo.Unsupported("why")` if it has none."""
        raise NotImplementedError


class ExtensionHooks(ModelHooks):
    """Entry-point group `zoo.extensions`: wrappers around any of a model's hooks (`@zoo.hookimpl(wrapper=True)`).

    A wrapper is a generator function: `result = yield` calls the model's hook, and the value that the wrapper returns
    replaces the result. Results record which extensions were active; `--no-extensions` deactivates them.
    """

    required = ()


class ControlHooks(ModelHooks):
    """Entry-point group `zoo.controls`: reference models that `zoo compare --full` adds as control rows.

    A control is a model with the card and hooks of `zoo.models`. Its name is looked up in this group only, so a model
    may have the same name.
    """


class TrackerHooks(Hooks):
    """Entry-point group `zoo.trackers`: logs of runs in other tools, selected with `--track NAME`.

    The entry point names a class without constructor arguments. Each run gets an instance of its own, which may keep
    state from `begin` to `end`. Hooks are called by the parent process in a thread per tracker, in order, and outside
    everything that is timed. A hook that raises or hangs costs a warning: the tracker is not called again, and
    results are unaffected. Trackers must not seed or draw from the global random states.
    """

    required = ("log",)

    @_one
    def begin(self, run: TrackedRun) -> None:
        """Optional: a run begins."""
        raise NotImplementedError

    @_one
    def log(self, step: int, values: dict[str, float]) -> None:
        """Record the mean losses since the last call; `step` is the number of updates, and may repeat after a retry."""
        raise NotImplementedError

    @_one
    def image(self, name: str, pixels: NDArray[np.uint8]) -> None:
        """Optional: record an image, shape (H, W, 3), for example a grid of samples."""
        raise NotImplementedError

    @_one
    def end(self, summary: dict[str, float], failure: str) -> None:
        """Optional: the run ended; `summary` has its last losses or its metrics, `CONTESTANT/METRIC`, in a comparison.

        `failure` says why a run failed or was interrupted; it is "" for one that did not.
        """
        raise NotImplementedError


#: entry-point group -> the hooks of its plugins
GROUPS: dict[str, type[Hooks]] = {
    "zoo.models": ModelHooks,
    "zoo.densities": DensityHooks,
    "zoo.datasets": DatasetHooks,
    "zoo.features": FeatureHooks,
    "zoo.metrics": MetricHooks,
    "zoo.extensions": ExtensionHooks,
    "zoo.controls": ControlHooks,
    "zoo.trackers": TrackerHooks,
}

#: groups of models, whose hooks extensions wrap
MODELS = ("zoo.models", "zoo.controls")

#: groups whose plugins wrap the hooks of models
WRAPPERS = ("zoo.extensions",)
