"""Jobs before the grid: load the data and every plugin, and check every setting and file. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from zoo.contestant import Contestant
from zoo.engine.events import emit
from zoo.errors import CheckpointError, DataError
from zoo.plugins.registry import PluginRegistry
from zoo.results.schema import DataFacts, Features, Metric
from zoo.scalars import plain

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.data.dataset import Data
    from zoo.plugins.plugin import Plugin


class _Found(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, protected_namespaces=())


class Conditions(_Found):
    """The part of the protocol that is known before anything is trained; `zoo.results.schema.Protocol` has the rest."""

    data: DataFacts
    reference: str
    binarisation_seed: int
    samples: int
    features: Features
    versions: Mapping[str, str]
    extensions: list[str]
    device: str
    threads_per_process: int


class PreparedData(_Found):
    """What is known of the data: the default number of epochs, and the metrics."""

    epochs: float
    conditions: Conditions
    metrics: list[Metric]


class Settings(_Found):
    """The complete settings of a contestant; what is not set is left out of files."""

    name: str
    model: str
    version: str
    density: str | None
    trains_on: str
    samples: str
    config: Mapping[str, Any]
    training: Mapping[str, Any]
    options: Mapping[str, Any]
    sensitivity: Mapping[str, list[Any]]
    density_options: Mapping[str, Any] | None = None
    needs_labels: bool = False
    papers: Mapping[str, str] = {}


class OutsideRow(_Found):
    """A finished run, or samples made elsewhere: its seed, and the settings of a run."""

    seed: int
    settings: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class PrepareData:
    """Write named data into `file`, train or find the feature network, and return how everything is measured."""

    kind: Literal["prepare"] = field(default="prepare", kw_only=True)
    result: ClassVar[Any] = PreparedData

    name: str | None
    file: str
    full: bool
    device: str
    features: str = ""
    n: int | None = None
    metrics: tuple[str, ...] = ()

    def run(self, registry: PluginRegistry) -> PreparedData:
        """Run the job; see the class."""
        from zoo.data.dataset import Data
        from zoo.data.load import load_data
        from zoo.evaluation.features import feature_space
        from zoo.evaluation.reference import reference_split
        from zoo.files.storage import cache_folder
        from zoo.runtime.devices import describe_device, find_device
        from zoo.runtime.seeds import BITS_SEED, SPLIT_SEED
        from zoo.runtime.threads import single_thread
        from zoo.training.module import versions

        with single_thread():
            if self.name is not None:
                loaded = load_data(self.name, registry)
                (loaded if self.n is None else loaded.with_first_test_examples(self.n)).save(Path(self.file))
            data = Data.open(Path(self.file))
            emit({"stage": "features"})
            features = feature_space(data, cache_folder("features"), self.features, registry)
            split = reference_split(data)
            order = {metric: place for place, metric in enumerate(registry.catalogue.compare.metrics)}
            every = sorted(registry.names("zoo.metrics"), key=lambda metric: order.get(metric, len(order)))
            cards = [registry.plugin(metric, "zoo.metrics").card for metric in self.metrics or every]
            extensions = registry.active_extensions()
            device = (
                self.device if self.device == "cpu" else f"{self.device}, {describe_device(find_device(self.device))}"
            )
            return PreparedData(
                epochs=data.epochs,
                conditions=Conditions(
                    data=DataFacts(
                        name=data.name,
                        sha256=data.sha256,
                        split_seed=SPLIT_SEED,
                        sizes=[len(data.train), len(data.valid), len(data.test)],
                        shape=list(data.spec.shape),
                        support=data.spec.support,
                        classes=None if data.train_labels is None else len(data.train_labels.unique()),
                    ),
                    reference=split.description
                    + ("" if self.n is None else "; the first of the test split, as n asks"),
                    binarisation_seed=BITS_SEED,
                    samples=split.n_samples,
                    features=Features(description=features.description, sha256=features.sha256),
                    versions=versions(),
                    extensions=[f"{plugin.qualified} {plugin.version}".strip() for plugin in extensions],
                    device=device,
                    threads_per_process=1,
                ),
                metrics=[Metric.of(card) for card in cards if self.full or self.metrics or card.level != "full"],
            )


@dataclass(frozen=True)
class DescribeContestant:
    """Load a contestant's plugins and return its complete settings, or raise what is wrong with it."""

    kind: Literal["describe"] = field(default="describe", kw_only=True)
    result: ClassVar[Any] = Settings

    contestant: Contestant

    def run(self, registry: PluginRegistry) -> Settings:
        """Run the job; see the class."""
        from zoo.training.resolved import resolve

        resolved = resolve(registry, self.contestant)
        card, special = resolved.plugin.card, dict[str, Any]()
        if self.contestant.density_options:
            special["density_options"] = resolved.density_options.model_dump(mode="json")
        if resolved.needs_labels:
            special["needs_labels"] = True
        if papers := _papers(resolved.plugin, resolved.density):
            special["papers"] = papers
        return Settings(
            name=card.name,
            model=resolved.plugin.qualified,
            version=resolved.plugin.version,
            density=resolved.density.qualified if resolved.density else None,
            trains_on=card.trains_on_with(resolved.config),
            samples=card.samples,
            config=resolved.config.model_dump(mode="json"),
            training=resolved.training(),
            options=resolved.options.model_dump(mode="json"),
            sensitivity={key: plain(list(values)) for key, values in card.sensitivity.items()},
            **special,
        )


@dataclass(frozen=True)
class DescribeRun:
    """Check a finished run, under the sampling options given, against the comparison's data.

    Raises:
        ConfigError: for options that the run's model does not have.
        CheckpointError: for a run on other data.
    """

    kind: Literal["describe-run"] = field(default="describe-run", kw_only=True)
    result: ClassVar[Any] = OutsideRow

    source: str
    options: dict[str, Any]
    file: str

    def run(self, registry: PluginRegistry) -> OutsideRow:
        """Run the job; see the class."""
        from zoo.data.dataset import Data
        from zoo.models.checkpoint import load_model

        data, model = Data.open(Path(self.file)), load_model(Path(self.source), registry)
        trained_on = model.protocol.get("data", {})
        if trained_on.get("sha256") != data.sha256:
            raise CheckpointError(
                f"{self.source} was trained on {trained_on.get('name', 'other data')} with another content or split "
                f"(sha256 {str(trained_on.get('sha256'))[:12]}) than {data.name} (sha256 {data.sha256[:12]}); evaluate "
                "it alone."
            )
        model = model.with_options(self.options)
        settings = {
            "name": model.name,
            "model": model.plugin.qualified,
            "version": model.plugin.version,
            "config": model.config.model_dump(mode="json"),
            "options": dict(model.options),
            "budget": model.protocol["budget"],
        }
        if weights := model.protocol.get("weights"):
            settings["weights"] = weights["sha256"]
        if papers := _papers(model.plugin, model.density.plugin if model.density else None):
            settings["papers"] = papers
        return OutsideRow(seed=model.protocol["seed"], settings=settings)


@dataclass(frozen=True)
class DescribeSamples:
    """Check a file of samples against the comparison's data.

    Raises:
        DataError: for samples of another shape, or fewer samples than test images.
    """

    kind: Literal["describe-samples"] = field(default="describe-samples", kw_only=True)
    result: ClassVar[Any] = OutsideRow

    source: str
    file: str

    def run(self, registry: PluginRegistry) -> OutsideRow:
        """Run the job; see the class."""
        from zoo.data.dataset import Data

        read_samples(self.source, Data.open(Path(self.file)))
        return OutsideRow(seed=0)


def read_samples(source: str, data: Data) -> Tensor:
    """Return the samples of a file, in the data's units, if there are enough of the right shape.

    Raises:
        DataError: with the rule, the value that came, and the way out.
    """
    from zoo.data.files import read_rows
    from zoo.evaluation.reference import reference_split

    x, n = read_rows(source, data.spec, data.columns, table=data.table).x, len(reference_split(data).images)
    if len(x) < n:
        fewer = f", or compare with fewer test images: --n {len(x)} (n={len(x)})" if len(x) > 1 else ""
        raise DataError(
            f"{source} must hold at least {n:,} samples, one per test image, got {len(x):,}; add more{fewer}."
        )
    return x


def _papers(model: Plugin, density: Plugin | None) -> dict[str, str]:
    """Return the references of a model and its latent density by name, of those that have any."""
    return {each.card.name: each.card.paper for each in (model, density) if each and each.card.paper}
