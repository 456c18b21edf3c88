"""`Elsewhere`: what the cells of a comparison need on other machines. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from zoo.comparison.cells import EvaluateRun
from zoo.comparison.jobs import Job, needs
from zoo.comparison.prepared import Prepared
from zoo.contestant import Contestant
from zoo.engine.executor import Needs
from zoo.files.storage import cache_folder
from zoo.plugins.fingerprint import CORE, Fingerprint, fingerprints
from zoo.plugins.plugin import Candidate
from zoo.plugins.registry import PluginRegistry


@dataclass(frozen=True)
class Elsewhere:
    """What other machines must have.

    Attributes:
        registry: tells which distribution a plugin is from.
        everywhere: distributions that every cell needs.
        models: distributions of each contestant and finished run, by its text.
        fingerprints: of all of them, as installed here.
        features: cached files with the features of the data, by their path in the cache folder.
    """

    registry: PluginRegistry
    everywhere: frozenset[str]
    models: Mapping[str, frozenset[str]]
    fingerprints: Mapping[str, Fingerprint]
    features: Mapping[str, Path]

    @classmethod
    def of(cls, registry: PluginRegistry, prepared: Prepared, contestants: list[Contestant], features: str) -> Self:
        """Return what a comparison's cells need, from what is installed here.

        Args:
            registry: tells which distribution a plugin is from.
            prepared: what is known of the data and of each row.
            contestants: those that are trained.
            features: name of the feature space; "" for the default.
        """
        shared = [(metric.name, "zoo.metrics") for metric in prepared.data.metrics]
        shared += [(features, "zoo.features")] if features else []
        extensions = {each.distribution for each in registry.active_extensions()}
        everywhere = frozenset({*CORE, *_distributions(registry, shared), *extensions} - {""})
        models = {each.text: frozenset(_distributions(registry, _plugins(each))) for each in contestants}
        for text, row in prepared.outside.items():
            model = str(row.settings["model"]) if row.settings else ""
            models[text] = frozenset({model.rpartition("/")[0]} - {""})
        cache, data = cache_folder(), prepared.data.conditions.data.sha256[:16]
        files = {path.relative_to(cache).as_posix(): path for path in cache.glob(f"features/*-{data}.safetensors")}
        return cls(registry, everywhere, models, fingerprints(everywhere.union(*models.values())), files)

    def needs(self, job: Job) -> Needs:
        """Return what a job needs: its files, the features of the data, and its plugins."""
        names = set(self.everywhere)
        for contestant in getattr(job, "contestants", ()):
            names |= _distributions(self.registry, _plugins(contestant))
        if isinstance(job, EvaluateRun):
            names |= self.models[job.contestant]
        return needs(job, {name: each for name, each in self.fingerprints.items() if name in names}, self.features)


def _plugins(contestant: Contestant) -> Iterator[tuple[str, str]]:
    yield contestant.model, contestant.group
    if contestant.density:
        yield contestant.density, "zoo.densities"


def _distributions(registry: PluginRegistry, plugins: Iterable[tuple[str, str]]) -> set[str]:
    """Return the distributions of plugins; those that are registered in this process have none."""
    found = (registry.find(name, group) for name, group in plugins)
    return {each.distribution for each in found if isinstance(each, Candidate)}
