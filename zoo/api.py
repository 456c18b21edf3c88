"""What a user calls: `zoo.train()`, `zoo.compare()` and the others, each a method of a `Registry`. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.contestant import Contestant, parse_contestant
from zoo.plugins.catalogue import Entry
from zoo.plugins.registry import PluginRegistry

if TYPE_CHECKING:
    from zoo.comparison.result import Comparison
    from zoo.data.dataset import Data
    from zoo.models.model import Model
    from zoo.training.meter import Progress


class Registry(PluginRegistry):
    """An isolated registry and everything that can be done with its plugins; `PluginRegistry` has the arguments."""

    def info(self, name: str) -> dict[str, Any]:
        """What is known of a model as plain values; it is imported if it is installed."""
        installed = (("zoo.models", name) in self._registered) or self._named(name, "zoo.models")
        if not installed and (entry := self.catalogue.find(name)):
            return _catalogue_info(entry)
        plugin = self.plugin(name)
        from zoo.plugins.describe import describe_model

        return describe_model(plugin, self.catalogue.find(plugin.card.name))

    def create(self, contestant: str, data: Any = "digits", *, seed: int = 0, **config: Any) -> Model:
        """Build an untrained model for some data.

        Args:
            contestant: `vae` or `vae:latent_dim=8`; a density (`@gmm`) needs a trained model.
            data: a name, array, tensor or `zoo.Data`, as for `zoo.load_data`; or a `zoo.DataSpec`.
            seed: of the initial weights.
            **config: further settings of the model.
        """
        from zoo.contract.data_spec import DataSpec
        from zoo.data.load import load_data
        from zoo.training.train import create

        parsed = _contestant(contestant, config)
        spec = data if isinstance(data, DataSpec) else load_data(data, self).spec
        return create(self, parsed, spec, seed)

    def train(
        self,
        contestant: str,
        data: Any = "digits",
        *,
        seed: int = 0,
        epochs: float | None = None,
        steps: int | None = None,
        seconds: float | None = None,
        folder: str | Path | None = None,
        save_every: float = 30.0,
        keep: int = 2,
        device: str = "cpu",
        progress: Progress | None = None,
        **config: Any,
    ) -> Model:
        """Train a model, fit its latent density if it has one, and return it.

        Args:
            contestant: `NAME[@DENSITY][:KEY=VALUE,…]`.
            data: a name, array, tensor or `zoo.Data`.
            seed: of everything random in the training.
            epochs, steps, seconds: the budget, one of them; by default the data set's number of epochs.
            folder: a run folder to write (`model.safetensors`, `metrics.jsonl`, `run.json`, and `state.safetensors`,
                from which `resume` goes on); None writes nothing.
            save_every: seconds from one state to the next.
            keep: how many of the last states stay in the folder.
            device: where it is trained and stays: `cpu`, `cuda`, or `cuda:1` for the second GPU.
            progress: called with the `zoo.training.Report` of each epoch.
            **config: further settings of the model.

        Raises:
            DivergedError: if a loss or a weight is not finite.
            KeyboardInterrupt: after Ctrl-C or SIGTERM; with a folder, once the state is saved.
        """
        from zoo.training.budget import TrainingBudget
        from zoo.training.checkpoints import CheckpointPolicy
        from zoo.training.train import train

        amount = TrainingBudget.choose(epochs=epochs, steps=steps, seconds=seconds)
        parsed, run = _contestant(contestant, config), None if folder is None else Path(folder)
        saving = CheckpointPolicy(save_every, keep)
        return train(
            self, parsed, data, seed=seed, amount=amount, folder=run, progress=progress, saving=saving, device=device
        )

    def resume(
        self,
        run: str | Path,
        *,
        contestant: str | None = None,
        data: Any = None,
        epochs: float | None = None,
        steps: int | None = None,
        seconds: float | None = None,
        save_every: float = 30.0,
        keep: int = 2,
        allow_changes: bool = False,
        device: str | None = None,
        progress: Progress | None = None,
    ) -> Model:
        """Go on with a training from its run folder, bit for bit as if it had not been stopped, and return its model.

        A run whose state was never saved begins again at its first step, and so does a model with a `fit` of its own.

        Args:
            run: its folder, or one of the state files in it.
            contestant, data, epochs, steps, seconds, device: what takes the place of what the run was begun with.
            save_every, keep, progress: as for `train`.
            allow_changes: go on although data, settings, versions or threads are not those of the state.

        Raises:
            CheckpointError: if there is no run, its state is damaged, or changes would have to be allowed.
        """
        from zoo.training.budget import TrainingBudget
        from zoo.training.checkpoints import CheckpointPolicy
        from zoo.training.resume import RunRecord, resume

        return resume(
            self,
            RunRecord.read(Path(run)),
            contestant=None if contestant is None else parse_contestant(contestant),
            data=data,
            amount=TrainingBudget.choose(epochs=epochs, steps=steps, seconds=seconds),
            progress=progress,
            saving=CheckpointPolicy(save_every, keep, allow_changes=allow_changes),
            device=device,
        )

    def load(self, path: str | Path, *, device: str = "cpu") -> Model:
        """Load a trained model from a run folder or a `.safetensors` file, onto a device (`cpu`, `cuda`, `cuda:1`).

        Raises:
            CheckpointError: if it is missing, damaged or does not fit its plugin.
            ConfigError: if there is no such device.
        """
        from zoo.models.checkpoint import load_model

        return load_model(Path(path), self, device)

    def compare(self, contestants: Iterable[str] = (), data: Any = None, **settings: Any) -> Comparison:
        """Train contestants over seeds and compare how each one generates; see `zoo.comparison.compare`."""
        from zoo.comparison.run import compare

        return compare(self, list(contestants), data, **settings)

    def evaluate(self, source: str | Path, data: Any = None, **settings: Any) -> Comparison:
        """Measure a finished run, or samples from outside, without training; see `zoo.comparison.evaluate`."""
        from zoo.comparison.run import evaluate

        return evaluate(self, source, data, **settings)


def _contestant(text: str, config: Mapping[str, Any]) -> Contestant:
    """The parsed contestant with further settings of the model, which win over those in the text."""
    parsed = parse_contestant(text)
    parsed.config.update(config)
    return parsed


def _catalogue_info(entry: Entry) -> dict[str, Any]:
    hidden = ("group", "entry_point", "releases")
    facts = {
        key: ", ".join(value) if isinstance(value, list) else value
        for key, value in vars(entry).items()
        if key not in hidden
    }
    return facts | {"status": "available", "install": f"zoo install {entry.name}"}


def load_data(data: Any, *, registry: PluginRegistry | None = None) -> Data:
    """Return `data` as a `zoo.Data`.

    Args:
        data: a registered name (`"digits"`, `"bars-and-stripes:3"`); a path, `"PATH"` or `"PATH:KEY=VALUE,…"`, to an
            `.npy`, `.npz`, `.csv` or IDX file or a folder of images, with the keys of `zoo.data.files`; an array or
            tensor of shape (N, *shape); or a `zoo.Data`, which is returned as it is.
        registry: where names are looked up; None takes the default one.

    Raises:
        ConfigError: for an unknown name.
        DataError: for data that cannot be used.
    """
    from zoo.data.load import load_data

    return load_data(data, default if registry is None else registry)


default = Registry()

list_models = default.list_models
info = default.info
create = default.create
train = default.train
resume = default.resume
load = default.load
compare = default.compare
evaluate = default.evaluate
register = default.register
refresh = default.refresh
