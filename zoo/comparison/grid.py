"""`Grid`: which processes a comparison needs, and what they found. Imports no torch.

A trained contestant's cell is (model and settings, seed); contestants that differ in density or sampling share one.
Finished runs and samples from outside have one cell each, real images one for each seed. A full comparison varies each
model's settings too, one at a time, with the first seed and 1,000 samples. What the journal knows is not run again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from zoo.comparison.contestants import REAL, PlannedRow
from zoo.comparison.journal import Journal
from zoo.contestant import Contestant
from zoo.engine.pool import Job, OnEvent, Outcome, Pool
from zoo.errors import CheckpointError, ConfigError, DataError, DivergedError, PluginError, ZooError
from zoo.files.names import slug
from zoo.plugins.registry import PluginRegistry

_TASKS = "zoo.comparison.tasks"
_ERRORS = {error.exit_code: error for error in (ConfigError, PluginError, DataError, CheckpointError, DivergedError)}
_VARIED_SAMPLES = 1000
_TRIES = 3  # of a process that dies or hangs
_SAMPLING = "sample."  # settings that need no second training


@dataclass
class _Group:
    """Contestants that share a training: equal model, settings and training; their densities and sampling differ."""

    model: str
    folder: str
    contestants: list[Contestant] = field(default_factory=list)


@dataclass(frozen=True)
class _Cell:
    """One process: the entrants that it measures, with one seed."""

    texts: tuple[str, ...]
    seed: int
    job: Job


@dataclass(frozen=True)
class _Variation:
    """A setting that is not the contestant's, tried with the first seed; `key` is "" for what it has."""

    labels: dict[str, str]  # contestant -> what the job calls it
    key: str
    value: Any
    job: Job


class Grid:
    """The processes of one comparison.

    Args:
        registry: where names are looked up.
        pool: where the jobs run.
        entrants: every row of the table.
        seeds: of the trainings.
        folder: of the comparison.
        file: where the data are written for all processes.
        full: whether sensitivity is measured.
        on_event: takes the jobs' events.
        journal: of the comparison.
        saving: how trainings save their state: what `zoo.comparison.tasks.cell` takes for it.
        device: where models are trained and sampled.

    Attributes:
        facts: what `prepare` found: `epochs`, `exchangeable`, `protocol`, `metrics`.
        budget: of every training.
    """

    def __init__(
        self,
        *,
        registry: PluginRegistry,
        pool: Pool,
        entrants: list[PlannedRow],
        seeds: list[int],
        folder: Path,
        file: Path,
        full: bool,
        on_event: OnEvent | None,
        journal: Journal,
        saving: dict[str, Any],
        device: str,
    ) -> None:
        self._registry, self._pool, self._entrants, self._seeds = registry, pool, entrants, seeds
        self._folder, self._file, self._full, self._on_event = folder, file, full, on_event
        self._journal, self._saving, self._device = journal, saving, device
        self.facts: dict[str, Any] = {}
        self.budget: dict[str, Any] = {}
        self._described: dict[str, dict[str, Any]] = {}
        self._groups: list[_Group] = []
        self._cells: list[tuple[_Cell, Outcome]] = []
        self._variations: list[tuple[_Variation, Outcome]] = []

    def prepare(self, source: Any) -> None:
        """Write the data, find the feature network, load every plugin and check every setting and file.

        Raises:
            ZooError: for everything that is asked wrongly, at once.
        """
        name = source if isinstance(source, str) else None
        if name is None:
            from zoo.data.load import load_data

            load_data(source, self._registry).save(self._file)
        inline = name is not None and is_registered(self._registry, name.partition(":")[0], "zoo.datasets")
        arguments = {"name": name, "full": self._full, "device": self._device}
        jobs = [self._job("data", "prepare", arguments, self._folder / "data.log", inline)]
        for contestant in self.trained():
            inline = is_registered(self._registry, contestant.model)
            log = self._folder / "plugins.log"
            jobs.append(
                self._job(contestant.text, "describe", {"contestant": contestant.text}, log, inline, file=False)
            )
        self.facts, *described = self._all(jobs)
        texts = [contestant.text for contestant in self.trained()]
        self._described = dict(zip(texts, described, strict=True))
        self._groups = _grouped(self.trained(), self._described)
        outside = [entrant for entrant in self._entrants if entrant.kind in ("run", "samples")]
        jobs = []
        for entrant in outside:
            facts = {
                "source": _absolute(entrant),
                "samples": entrant.kind == "samples",
                "options": dict(entrant.options),
            }
            jobs.append(self._job(entrant.text, "describe_outside", facts, self._folder / "plugins.log"))
        texts = [entrant.text for entrant in outside]
        self._described |= dict(zip(texts, self._all(jobs), strict=True))

    def run(self, budget: dict[str, Any]) -> None:
        """Run every cell; with `full` print an estimate first, and vary the settings afterwards."""
        self.budget = budget
        real = list(self._real_cells())
        cells = [*self._training_cells(), *self._outside_cells()]
        varied = self._varied_trainings() if self._full else []
        cells = self._announced(cells, real) if self._full else [*cells, *real]
        outcomes = self._outcomes([each.job for each in cells] + [each.job for each in varied])
        self._cells += zip(cells, outcomes, strict=False)
        self._variations += zip(varied, outcomes[len(cells) :], strict=True)
        resampled = self._varied_samplings() if self._full else []
        outcomes = self._outcomes([each.job for each in resampled])
        self._variations += zip(resampled, outcomes, strict=True)

    @property
    def depends_on(self) -> dict[str, Any]:
        """What the results depend on besides what was asked for, as plain values; after `prepare`."""
        protocol = self.facts["protocol"]
        return {
            "data": protocol["data"]["sha256"],
            "features": protocol["features"]["sha256"],
            "versions": protocol["versions"],
            "extensions": protocol["extensions"],
            "metrics": self._metrics(),
            "settings": self._described,
        }

    def trained(self) -> list[Contestant]:
        """The contestants that are trained here."""
        return [entrant.contestant for entrant in self._entrants if entrant.contestant]

    def cells(self, entrant: PlannedRow) -> list[dict[str, Any]]:
        """What was found for an entrant, one dictionary per seed, in the order of the seeds."""
        found = []
        for cell, outcome in self._cells:
            if entrant.text not in cell.texts:
                continue
            if outcome.failed:
                found.append({"seed": cell.seed, "failed": outcome.reason, "exit_code": outcome.exit_code})
            else:
                result = outcome.result
                own = result["contestants"][entrant.text]
                found.append({"seed": cell.seed, **({} if "failed" in own else result["shared"]), **own})
            if outcome.lost:
                found[-1]["lost"] = list(outcome.lost)
        return sorted(found, key=lambda cell: int(cell["seed"]))

    def sensitivity(self) -> list[dict[str, Any]]:
        """What each variation gave, one entry per contestant, setting and value."""
        found = []
        for variation, outcome in self._variations:
            for contestant, label in variation.labels.items():
                entry = {"contestant": contestant, "key": variation.key, "value": variation.value}
                entry["default"] = variation.key == ""
                own = {"failed": outcome.reason} if outcome.failed else outcome.result["contestants"][label]
                found.append(entry | {key: own[key] for key in ("failed", "metrics") if key in own})
        return found

    def pictures(self) -> dict[str, str]:
        """Where the pictures of each entrant's first seed lie, by its name."""
        found: dict[str, str] = {}
        for entrant in self._entrants:
            first = next((cell["seed"] for cell in self.cells(entrant) if "failed" not in cell), None)
            if first is None:
                continue
            path = self._run_folder(entrant, first) / f"{slug(entrant.text)}.pictures.npz"
            if path.exists():
                found[entrant.text] = str(path.relative_to(self._folder))
        return found

    def folder_of(self, entrant: PlannedRow) -> str:
        """Name of the folder, inside the comparison's, with a folder for each seed of the entrant."""
        for group in self._groups:
            if entrant.contestant in group.contestants:
                return group.folder
        return slug(entrant.text)

    def settings_of(self, entrant: PlannedRow) -> dict[str, Any] | None:
        """Complete settings of a trained contestant or a finished run; None for bare samples."""
        described = self._described.get(entrant.text, {})
        return described if entrant.contestant else described.get("settings")

    def _training_cells(self) -> Iterator[_Cell]:
        """A cell per training, seed by seed, so that every contestant has a result early."""
        for seed in self._seeds:
            for group in self._groups:
                folder = self._new(group.folder, seed)
                texts = tuple(contestant.text for contestant in group.contestants)
                pictures = seed == self._seeds[0]
                name = f"{group.folder} seed {seed}"
                job = self._training(name, group.model, texts, seed, folder, pictures=pictures, kind=group.folder)
                yield _Cell(texts, seed, job)

    def _outside_cells(self) -> Iterator[_Cell]:
        for entrant in self._entrants:
            if entrant.kind not in ("run", "samples"):
                continue
            seed = self._described[entrant.text]["seed"]
            folder = self._new(self.folder_of(entrant), seed)
            arguments = {
                "contestant": entrant.text,
                "source": _absolute(entrant),
                "seed": seed,
                "folder": str(folder),
                "metrics": self._metrics(),
                "pictures": True,
            }
            task = "evaluate_samples"
            if entrant.kind == "run":
                task = "evaluate"
                arguments |= {"options": dict(entrant.options), "device": self._device}
            yield _Cell((entrant.text,), seed, self._job(entrant.text, task, arguments, folder / "output.log"))

    def _real_cells(self) -> Iterator[_Cell]:
        for entrant in self._entrants:
            if entrant.kind != "real":
                continue
            for number, seed in enumerate(self._seeds if self.facts["exchangeable"] else self._seeds[:1]):
                folder = self._new(self.folder_of(entrant), seed)
                arguments = {"number": number, "folder": str(folder), "metrics": self._metrics()}
                job = self._job(f"real images {number + 1}", "evaluate_real", arguments, folder / "output.log")
                yield _Cell((entrant.text,), seed, replace(job, kind=REAL))

    def _announced(self, cells: list[_Cell], real: list[_Cell]) -> list[_Cell]:
        """Estimate the time of each cell from short trials, announce the sum, and return the cells longest first.

        Cells of real images are run ahead and kept: the first fills the caches, the second, or the first again, times
        the metrics. Those that are left are returned with the others.
        """
        ahead = real[:2]
        first = self._outcomes([ahead[0].job])
        trials = []
        for group in self._groups:
            texts = [each.text for each in group.contestants]
            arguments = {"contestants": texts, "budget": self.budget, "device": self._device}
            inline = is_registered(self._registry, group.model)
            log = self._folder / "estimate.log"
            trials.append(self._job(f"trial of {group.folder}", "probe", arguments, log, inline))
        second, *outcomes = self._outcomes([ahead[-1].job, *trials])
        self._cells += zip(ahead, [*first, second], strict=False)
        training = {
            group.folder: 0.0 if outcome.failed else float(outcome.result)
            for group, outcome in zip(self._groups, outcomes, strict=True)
        }

        def estimate(cell: _Cell) -> float:
            own = next((training[g.folder] for g in self._groups if g.contestants[0].text in cell.texts), 0.0)
            return own + second.seconds * len(cell.texts)

        remaining = [*cells, *real[2:]]
        varied = sum(
            training[group.folder] * len(values) for group in self._groups for _, values in self._varied(group)
        )
        seconds = (sum(map(estimate, remaining)) + varied) / self._pool.slots
        if self._on_event:
            self._on_event(Job("estimate", "", {}), {"estimate": seconds})
        return sorted(remaining, key=estimate, reverse=True)

    def _varied_trainings(self) -> list[_Variation]:
        """Each setting of a card's sensitivity that needs a training of its own."""
        found = []
        for group in self._groups:
            for key, values in self._varied(group):
                for value in values:
                    labels = {each.text: _with_setting(each, key, value) for each in group.contestants}
                    name = f"{group.folder} with {key}={value}"
                    folder = self._new("sensitivity", self._seeds[0], slug(name))
                    texts, n = tuple(labels.values()), _VARIED_SAMPLES
                    job = self._training(name, group.model, texts, self._seeds[0], folder, pictures=False, n=n)
                    found.append(_Variation(labels, key, value, job))
        return found

    def _varied_samplings(self) -> list[_Variation]:
        """Each contestant as it is, and under each sampling setting of its card's sensitivity; of the first seed."""
        found = []
        for entrant in self._entrants:
            if entrant.role != "contestant" or entrant.contestant is None:
                continue
            file = self._run_folder(entrant, self._seeds[0]) / f"{slug(entrant.text)}.safetensors"
            if not file.exists():
                continue
            declared = self._described[entrant.text]["sensitivity"]
            settings = [("", None), *((key, value) for key, values in declared.items() for value in values)]
            for key, value in settings:
                if key and (not key.startswith(_SAMPLING) or entrant.contestant.density):
                    continue  # another training, or an option of the model's own sampling
                found.append(
                    _Variation({entrant.text: entrant.text}, key, value, self._resampling(entrant, file, key, value))
                )
        return found

    def _resampling(self, entrant: PlannedRow, file: Path, key: str, value: Any) -> Job:
        name = f"{entrant.text} with {key}={value}" if key else f"{entrant.text} as it is"
        folder = self._new("sensitivity", self._seeds[0], slug(name))
        arguments = {
            "contestant": entrant.text,
            "source": str(file),
            "seed": self._seeds[0],
            "folder": str(folder),
            "metrics": self._metrics("headline", likelihood=not key),
            "pictures": False,
            "options": {key.removeprefix(_SAMPLING): value} if key else None,
            "n": _VARIED_SAMPLES,
            "device": self._device,
        }
        assert entrant.contestant
        inline = is_registered(self._registry, entrant.contestant.model)
        return self._job(name, "evaluate", arguments, folder / "output.log", inline)

    def _varied(self, group: _Group) -> list[tuple[str, list[Any]]]:
        """The settings of a group's card that need a training, with their values; none for controls."""
        roles = {entrant.role for entrant in self._entrants if entrant.contestant in group.contestants}
        if "contestant" not in roles:
            return []
        declared = self._described[group.contestants[0].text]["sensitivity"]
        free = [key for key in declared if not any(_sets(each, key) for each in group.contestants)]
        return [(key, declared[key]) for key in free if not key.startswith(_SAMPLING)]

    def _training(
        self,
        name: str,
        model: str,
        texts: tuple[str, ...],
        seed: int,
        folder: Path,
        *,
        pictures: bool,
        n: int | None = None,
        kind: str = "",
    ) -> Job:
        arguments = {
            "contestants": list(texts),
            "seed": seed,
            "budget": self.budget,
            "folder": str(folder),
            "metrics": self._metrics() if n is None else self._metrics("headline"),
            "pictures": pictures,
            "n": n,
            "device": self._device,
            **self._saving,
        }
        job = self._job(name, "cell", arguments, folder / "output.log", is_registered(self._registry, model))
        return replace(job, kind=kind)

    def _metrics(self, level: str = "", *, likelihood: bool = True) -> list[str]:
        names = [metric["name"] for metric in self.facts["metrics"] if level in ("", metric["level"])]
        return [name for name in names if likelihood or name != "likelihood"]

    def _job(
        self, name: str, task: str, arguments: dict[str, Any], log: Path, inline: bool = False, *, file: bool = True
    ) -> Job:
        shared: dict[str, Any] = {"file": str(self._file)} if file else {}
        if inline:
            shared["registry"] = self._registry
        return Job(name, f"{_TASKS}:{task}", arguments | shared, log, inline)

    def _outcomes(self, jobs: list[Job]) -> list[Outcome]:
        """Of each job what the journal knows, or what becomes of it now, which is written there as soon as it is known.

        A job of which a part failed is not written down, so that it is tried again when the comparison goes on.
        """
        known = {place: outcome for place, job in enumerate(jobs) if (outcome := self._journal.find(job))}

        def on_event(job: Job, event: dict[str, Any]) -> None:
            if (outcome := event.get("ended")) and not _has_failed(outcome):
                self._journal.add(outcome)
            if self._on_event:
                self._on_event(job, event)

        left = [replace(job, tries=_TRIES) for place, job in enumerate(jobs) if place not in known]
        found = iter(self._pool.run(left, on_event))
        return [known[place] if place in known else next(found) for place in range(len(jobs))]

    def _all(self, jobs: list[Job]) -> list[Any]:
        """The results of jobs, or one error for everything that was asked wrongly, of the kind of the first."""
        outcomes = self._pool.run(jobs, self._on_event)
        failed = [outcome for outcome in outcomes if outcome.failed]
        if failed:
            kind = _ERRORS.get(failed[0].exit_code, ZooError)
            error = kind(" ".join(dict.fromkeys(outcome.reason for outcome in failed)))
            error.__notes__ = [outcome.traceback for outcome in failed if outcome.traceback]
            raise error
        return [outcome.result for outcome in outcomes]

    def _run_folder(self, entrant: PlannedRow, seed: int) -> Path:
        return self._folder / self.folder_of(entrant) / f"seed-{seed}"

    def _new(self, folder: str, seed: int, name: str = "") -> Path:
        """A folder of the comparison's, made."""
        path = self._folder / folder / (name or f"seed-{seed}")
        path.mkdir(parents=True, exist_ok=True)
        return path


def is_registered(registry: PluginRegistry, name: str, group: str = "zoo.models") -> bool:
    """Whether a plugin exists in this process alone, so that its jobs have to run here."""
    return any(plugin.card.name == name for plugin in registry.registered(group))


def _has_failed(outcome: Outcome) -> bool:
    """Whether a job failed, or one of the contestants that it measures."""
    if outcome.failed or not isinstance(outcome.result, dict):
        return outcome.failed
    return any("failed" in each for each in outcome.result.get("contestants", {}).values())


def _grouped(contestants: list[Contestant], described: dict[str, dict[str, Any]]) -> list[_Group]:
    groups: dict[str, _Group] = {}
    for contestant in contestants:
        facts = described[contestant.text]
        key = json.dumps([facts["model"], facts["config"], facts["training"]], sort_keys=True)
        if key not in groups:
            taken = [group.folder for group in groups.values()]
            stem = facts["name"]
            folder = next(f"{stem}{suffix}" for suffix in _suffixes() if f"{stem}{suffix}" not in taken)
            groups[key] = _Group(contestant.model, folder)
        groups[key].contestants.append(contestant)
    return list(groups.values())


def _suffixes() -> Iterable[str]:
    """Nothing, then -2, -3, …"""
    yield ""
    number = 2
    while True:
        yield f"-{number}"
        number += 1


def _absolute(entrant: PlannedRow) -> str:
    assert entrant.source
    return str(entrant.source.absolute())


def _with_setting(contestant: Contestant, key: str, value: Any) -> str:
    """A contestant's text with one more setting."""
    mark = "," if ":" in contestant.text else ":"
    return f"{contestant.text}{mark}{key}={json.dumps(value)}"


def _sets(contestant: Contestant, key: str) -> bool:
    """Whether a contestant says itself what the setting is to be."""
    prefix, _, name = key.rpartition(".")
    groups = {"": contestant.config, "train": contestant.training, "sample": contestant.options}
    return name in groups[prefix]
