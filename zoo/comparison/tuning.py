"""Tuning: for each contestant as many trials of the same budget, chosen by samples against the validation split.

Trials are suggested by Optuna in rounds: those of a round start together, whatever the number of processes, and each
has a sampler with a seed of its own, so that the same trials are suggested again after a kill, and on any machine. The
study is a file of Optuna's, to which only this process writes; trials run over the comparison's executor.

Reference: Akiba et al. (2019), Optuna, arXiv:1907.10902.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from zoo.comparison.candidates import CandidateResult, DescribeSpace, Dimension, TrainCandidate
from zoo.comparison.elsewhere import Elsewhere
from zoo.comparison.jobs import Job
from zoo.comparison.measures import MEASURES
from zoo.comparison.schedule import Outcome, ScheduledJob, Scheduler
from zoo.contestant import Contestant, with_setting
from zoo.errors import ConfigError
from zoo.plugins.registry import PluginRegistry
from zoo.results.schema import BudgetFacts, TunedContestant, Tuning, TuningTrial
from zoo.runtime.extras import optional
from zoo.runtime.seeds import TUNING_SEED, derive_seed
from zoo.training.budget import TrainingBudget

ROUND = 5  # trials that are suggested together; those of the first are random, but for the defaults
STUDY = "study.journal"
_SHARES = (0.25, 0.5)  # of the epochs, after which a trial may be stopped
_ATTEMPTS = 2  # of a trial whose process dies
_DIGITS = 3  # significant digits of a setting


@dataclass(frozen=True)
class Search:
    """What all trials share.

    Attributes:
        trials: number for each contestant, its defaults included.
        measure: name of the metric that chooses, one of `MEASURES`.
        budget: of each trial.
        file: the data, for all processes.
        folder: of the study and the logs.
        elsewhere: what other machines must have, if trials run there.
    """

    trials: int
    measure: str
    budget: TrainingBudget
    file: Path
    folder: Path
    device: str
    features: str
    elsewhere: Elsewhere | None = None

    def scheduled(self, name: str, contestant: Contestant, job: Job, registry: PluginRegistry) -> ScheduledJob:
        """Return a job about a contestant, which is attempted again if its process dies."""
        inline = registry.is_registered(contestant.model, contestant.group)
        needs = None if self.elsewhere is None or inline else self.elsewhere.needs(job)
        return ScheduledJob(name, job, self.folder / "trials.log", inline, attempts=_ATTEMPTS, needs=needs)

    @property
    def epochs(self) -> tuple[int, ...]:
        """Epochs after which a trial may be stopped; none for a budget of steps or seconds."""
        if self.budget.unit != "epochs":
            return ()
        places = {math.floor(share * self.budget.value) for share in _SHARES}
        return tuple(sorted(epoch for epoch in places if epoch >= 1))


def tune_contestants(
    scheduler: Scheduler, registry: PluginRegistry, contestants: list[Contestant], search: Search
) -> Tuning:
    """Tune each contestant; trials that the study already has are not run again.

    Raises:
        ConfigError: without Optuna, if a contestant has nothing to tune or cannot be measured, or if no trial of the
            first round succeeds.
        ZooError: if a contestant's plugins or settings are invalid.
    """
    optuna = optional("optuna", "tune", "Tuning")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    search.folder.mkdir(exist_ok=True)
    spaces = _spaces(scheduler, registry, contestants, search)
    storage = _storage(optuna, search.folder / STUDY)
    studies = {
        each.text: _Study(optuna, storage, each, space, search) for each, space in zip(contestants, spaces, strict=True)
    }
    for number in range(math.ceil(search.trials / ROUND)):
        first, end = number * ROUND, min(search.trials, (number + 1) * ROUND)
        jobs: list[tuple[ScheduledJob, _Study, int]] = []
        for study in studies.values():
            for trial, job in study.round(first, end):
                name = f"{study.contestant.text} trial {trial}"
                jobs.append((search.scheduled(name, study.contestant, job, registry), study, trial))
        _run(scheduler, jobs)
        if number == 0:
            _check_first_round(list(studies.values()))
    return Tuning(
        trials=search.trials,
        budget=BudgetFacts(value=search.budget.value, unit=search.budget.unit),
        metric=search.measure,
        direction=MEASURES[search.measure],
        seed=TUNING_SEED,
        sampler=_sampler(optuna, search),
        contestants=[study.chosen() for study in studies.values()],
    )


class _Study:
    """Optuna's study of one contestant; trial 0 is the contestant as it is."""

    def __init__(
        self, optuna: Any, storage: Any, contestant: Contestant, space: Mapping[str, Dimension], search: Search
    ) -> None:
        self.contestant, self._optuna, self._space, self._search = contestant, optuna, space, search
        self._sign = 1 if MEASURES[search.measure] == "lower" else -1  # what is minimised
        direction = "minimize" if self._sign == 1 else "maximize"
        self._study = optuna.create_study(
            storage=storage, study_name=contestant.text, direction=direction, load_if_exists=True
        )
        self._distributions = {key: _distribution(optuna, each) for key, each in space.items()}

    @property
    def completed(self) -> list[Any]:
        """The trials that were trained to the end and measured."""
        state = self._optuna.trial.TrialState
        return [trial for trial in self._study.trials if trial.state == state.COMPLETE]

    @property
    def reason(self) -> str:
        """Why the first trial that failed did."""
        reasons = (trial.user_attrs.get("reason") for trial in self._study.trials)
        return next((f"{self.contestant.text}: {each}".rstrip(".") for each in reasons if each), "") + "."

    @property
    def refused(self) -> bool:
        """Whether the contestant itself is invalid, such as one without the likelihood that would choose."""
        return bool(self._study.trials[0].user_attrs.get("refused"))

    def round(self, first: int, end: int) -> list[tuple[int, TrainCandidate]]:
        """Return the trials up to `end` that have not ended, the missing ones suggested anew."""
        if first == 0 and not self._study.trials:
            self._study.enqueue_trial({key: _stored(each, each.default) for key, each in self._space.items()})
        for number in range(self._asked, end):
            seed = derive_seed(TUNING_SEED, f"{self.contestant.text} trial {number}") % 2**32
            self._study.sampler = self._optuna.samplers.TPESampler(seed=seed, n_startup_trials=ROUND)
            self._study.ask(self._distributions)
        limits = {epoch: self._limit(epoch, first) for epoch in self._search.epochs}
        running = [trial for trial in self._study.trials[first:end] if not trial.state.is_finished()]
        return [(trial.number, self._job(trial, limits)) for trial in running]

    def tell(self, number: int, outcome: Outcome) -> None:
        """Record how a trial ended, a failure with its reason; it is on the disk when this returns."""
        state = self._optuna.trial.TrialState
        trial = self._optuna.trial.Trial(self._study, self._study.trials[number]._trial_id)
        if outcome.failed:
            trial.set_user_attr("reason", outcome.reason)
            if number == 0 and outcome.exit_code == ConfigError.exit_code:
                trial.set_user_attr("refused", True)
            self._study.tell(number, state=state.FAIL)
            return
        result: CandidateResult = outcome.result
        for epoch, value in sorted(result.curve.items()):
            trial.report(value, epoch)
        if result.value is None:
            self._study.tell(number, state=state.PRUNED)
        else:
            self._study.tell(number, result.value)

    def chosen(self) -> TunedContestant:
        """Return the best trial, the earlier one of equals."""
        state = self._optuna.trial.TrialState
        words: dict[Any, Literal["completed", "stopped", "failed"]]
        words = {state.COMPLETE: "completed", state.PRUNED: "stopped", state.FAIL: "failed"}
        trials, completed = self._study.trials, self.completed
        best = min(completed, key=lambda trial: (self._sign * trial.value, trial.number), default=None)
        return TunedContestant(
            contestant=self.contestant.text,
            tuned=self.contestant.text if best is None else self._candidate(best).text,
            space={key: str(each) for key, each in self._space.items()},
            default_value=trials[0].value if trials[0].state == state.COMPLETE else None,
            value=None if best is None else best.value,
            completed=len(completed),
            pruned=sum(trial.state == state.PRUNED for trial in trials),
            failed=sum(trial.state == state.FAIL for trial in trials),
            trials=[
                TuningTrial(
                    number=trial.number,
                    contestant=self._candidate(trial).text,
                    state=words[trial.state],
                    value=trial.value if trial.state == state.COMPLETE else None,
                    reason=trial.user_attrs.get("reason", ""),
                )
                for trial in trials
            ],
        )

    @property
    def _asked(self) -> int:
        return sum(trial.state != self._optuna.trial.TrialState.WAITING for trial in self._study.trials)

    def _limit(self, epoch: int, first: int) -> float | None:
        """Return the median of the completed trials of earlier rounds after an epoch; None before there are three."""
        earlier = (trial for trial in self.completed if trial.number < first)
        values = [each.intermediate_values[epoch] for each in earlier if epoch in each.intermediate_values]
        return statistics.median(values) if len(values) >= 3 else None

    def _job(self, trial: Any, limits: Mapping[int, float | None]) -> TrainCandidate:
        search = self._search
        return TrainCandidate(
            self._candidate(trial),
            TUNING_SEED,
            search.budget,
            search.measure,
            limits if trial.number else dict.fromkeys(limits),  # the defaults are always trained to the end
            search.device,
            search.features,
            str(search.file),
            higher_is_better=self._sign == -1,
        )

    def _candidate(self, trial: Any) -> Contestant:
        """Return the contestant with the settings of a trial."""
        found = self.contestant
        for key, each in self._space.items() if trial.number else ():
            found = with_setting(found, key, _setting(each, trial.params[key]))
        return found


def _check_first_round(studies: list[_Study]) -> None:
    """Refuse contestants whose defaults are invalid, and a tuning in which nothing works.

    Raises:
        ConfigError: with the reasons.
    """
    wrong = [study for study in studies if study.refused]
    if not wrong and not any(study.completed for study in studies):
        wrong = studies
    if wrong:
        raise ConfigError(" ".join(dict.fromkeys(study.reason for study in wrong)))


def _run(scheduler: Scheduler, jobs: list[tuple[ScheduledJob, _Study, int]]) -> None:
    """Run the trials of a round, and record each as it ends."""
    by_name, tell = {job.name: (study, number) for job, study, number in jobs}, scheduler.on_event

    def on_event(job: ScheduledJob, event: dict[str, Any]) -> None:
        if outcome := event.get("ended"):
            study, number = by_name[job.name]
            study.tell(number, outcome)
        tell(job, event)

    with scheduler.heard_by(on_event):
        scheduler.run([job for job, _, _ in jobs])


def _spaces(
    scheduler: Scheduler, registry: PluginRegistry, contestants: list[Contestant], search: Search
) -> list[Mapping[str, Dimension]]:
    """Return the search space of each contestant."""
    jobs = [search.scheduled(each.text, each, DescribeSpace(each, search.measure), registry) for each in contestants]
    outcomes = scheduler.run(jobs)
    if failed := [each.reason for each in outcomes if each.failed]:
        raise ConfigError(" ".join(dict.fromkeys(failed)))
    spaces: list[Mapping[str, Dimension]] = [each.result for each in outcomes]
    if empty := [each.text for each, space in zip(contestants, spaces, strict=True) if not space]:
        raise ConfigError(
            f"{', '.join(empty)} has no settings to tune: its card declares none, or all are given. Leave it out, or "
            "compare without tuning."
        )
    return spaces


def _storage(optuna: Any, path: Path) -> Any:
    """Open the study's file. A killed process may have left a lock and half a line, which Optuna would fail on."""
    path.with_name(f"{path.name}.lock").unlink(missing_ok=True)  # the folder's own lock is held
    if path.exists():
        content = path.read_bytes()
        with path.open("r+b") as file:
            file.truncate(content.rfind(b"\n") + 1)
    return optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))


def _distribution(optuna: Any, dimension: Dimension) -> Any:
    kinds = optuna.distributions
    if dimension.ends is None:
        return kinds.CategoricalDistribution([json.dumps(each) for each in dimension.choices])
    kind = kinds.IntDistribution if isinstance(dimension.ends[0], int) else kinds.FloatDistribution
    return kind(*dimension.ends, log=dimension.log)


def _stored(dimension: Dimension, value: Any) -> Any:
    """Return a setting as Optuna stores it: a choice as JSON."""
    return value if dimension.ends else json.dumps(value)


def _setting(dimension: Dimension, stored: Any) -> Any:
    """Return what Optuna stores as a setting, a real number with three digits."""
    if dimension.ends is None:
        return json.loads(stored)
    if isinstance(stored, int):
        return stored
    low, high = dimension.ends
    return min(max(float(f"{stored:.{_DIGITS}g}"), low), high)


def _sampler(optuna: Any, search: Search) -> str:
    stopped = ""
    if search.epochs:
        after = " and ".join(map(str, search.epochs))
        stopped = f"; a trial that is worse than the median of earlier rounds after epoch {after} is stopped"
    return f"TPESampler of Optuna {optuna.__version__} in rounds of {ROUND}, the defaults first{stopped}"
