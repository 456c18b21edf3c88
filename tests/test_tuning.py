"""Tuning: as many trials for each contestant, chosen without the test split; a kill loses the trials in flight only."""

from __future__ import annotations

import json
import os
import shlex
import signal
from dataclasses import replace
from typing import Annotated, Literal

import pytest
import torch
from pydantic import Field

import zoo
from tests.report_folder import results, typed
from zoo.cli.main import run
from zoo.comparison.candidates import DescribeSpace, TrainCandidate
from zoo.comparison.tuning import STUDY
from zoo.contestant import Contestant, parse_contestant
from zoo.engine.executor import InlineExecutor
from zoo.errors import ConfigError
from zoo.report.figures import figure
from zoo.report.tuning import tuning_lines
from zoo.results.schema import BudgetFacts, TunedContestant, Tuning
from zoo.runtime.seeds import TUNING_SEED
from zoo.training.budget import TrainingBudget

optuna = pytest.importorskip("optuna")

AE = "ae@gaussian:hidden=[8],latent_dim=2,train.batch_size=300"
TRIALS = 7
METRIC = "kernel"
ASKED = {"contestants": [AE], "data": "digits", "epochs": 2, "seeds": [0], "n": 40, "tune": TRIALS}


def ended_trials(events):
    """An `on_event` that counts the trials that end."""

    def on_event(job, event):
        if "ended" in event and isinstance(job.job, TrainCandidate):
            events.append(job.name)

    return on_event


def test_a_killed_study_loses_the_trial_in_flight_and_ends_as_one_that_was_left_alone(tmp_path):
    counted = []
    whole = zoo.compare(**ASKED, out=tmp_path / "whole", executor=InlineExecutor(), on_event=ended_trials(counted))
    assert len(counted) == TRIALS
    folder, before = tmp_path / "killed", []
    if (child := os.fork()) == 0:

        def kill(job, event):
            ended_trials(before)(job, event)
            if len(before) == 4:  # the fifth is in flight
                os.kill(os.getpid(), signal.SIGKILL)

        zoo.compare(**ASKED, out=folder, executor=InlineExecutor(), on_event=kill)
        os._exit(1)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    (place,) = folder.iterdir()
    study = place / "tuning" / STUDY
    with study.open("ab") as file:
        file.write(b'{"op_code": 6, "wor')  # killed while it was written
    os.symlink(study, f"{study}.lock")
    again = []
    resumed = zoo.compare(resume=place, executor=InlineExecutor(), on_event=ended_trials(again))
    assert len(again) == TRIALS - 4
    assert resumed.typed.protocol.tuning == whole.typed.protocol.tuning
    assert list(resumed) == list(whole)
    for mine, other in zip(resumed.typed.rows, whole.typed.rows, strict=True):
        assert mine.summary == other.summary

    (found,) = whole.typed.protocol.tuning.contestants
    assert (found.contestant, found.failed) == (AE, 0)
    assert found.completed + found.pruned == TRIALS
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(study)))
    trials = optuna.load_study(study_name=AE, storage=storage).trials
    completed = [trial.value for trial in trials if trial.state.name == "COMPLETE"]
    assert (found.value, found.default_value) == (min(completed), trials[0].value)
    for trial in trials[5:]:  # after the first round, a trial above its median ends after the first epoch
        limit = sorted(each.intermediate_values[1] for each in trials[:5])[2]
        assert (trial.state.name == "PRUNED") == (trial.intermediate_values[1] > limit)
    assert all(trial.state.name == "COMPLETE" for trial in trials[:5])


def candidate(folder, data, limits=None):
    data.save(folder / "data.safetensors")
    budget = TrainingBudget(2.0, "epochs")
    job = TrainCandidate(
        parse_contestant(AE), TUNING_SEED, budget, METRIC, limits or {}, "cpu", "", str(folder / "data.safetensors")
    )
    return job.run(zoo.Registry())


def test_a_candidate_is_measured_on_the_validation_split_and_sees_no_test_example(tmp_path):
    data = zoo.load_data("digits")
    value = candidate(tmp_path, data).value
    other = replace(data, test=torch.rand_like(data.test))
    other.__dict__["sha256"] = data.sha256
    assert candidate(tmp_path, other).value == value
    other = replace(data, test=data.valid, test_labels=data.valid_labels)
    other.__dict__["sha256"] = data.sha256
    compared = zoo.compare(AE, other, epochs=2, seeds=[TUNING_SEED], out=tmp_path, executor=InlineExecutor())
    assert compared[AE].cells[0].metrics[METRIC].value == value


def test_a_candidate_above_the_limit_of_an_epoch_is_stopped(tmp_path):
    data = zoo.load_data("digits")
    free = candidate(tmp_path, data, {1: None})
    at_limit = candidate(tmp_path, data, {1: free.curve[1]})
    assert at_limit == free
    assert free.value == candidate(tmp_path, data).value
    stopped = candidate(tmp_path, data, {1: free.curve[1] - 1e-9})
    assert (stopped.value, stopped.curve) == (None, free.curve)


def test_a_space_is_that_of_the_card_without_what_the_contestant_sets():
    def space(text):
        found = DescribeSpace(parse_contestant(text)).run(zoo.Registry())
        return {key: (each.default, str(each)) for key, each in found.items()}

    assert space("vae:beta=2.0") == {
        "latent_dim": (16, "4 to 64, log"),
        "train.learning_rate": (0.003, "0.0003 to 0.01, log"),
    }
    noise = DescribeSpace(Contestant("noise", "noise", group="zoo.controls")).run(zoo.Registry())
    assert noise == {}  # it is not trained by the core


class Bounded(zoo.Config):
    """Fields of every kind, with what tuning draws their values from, or None."""

    size: Annotated[int, Field(gt=0)] = 6  # 2 to 24, log
    few: Annotated[int, Field(ge=4, lt=9)] = 6  # 4 to 8, log
    weight: Annotated[float, Field(ge=0)] = 0.5  # 0.05 to 5.0, log
    share: Annotated[float, Field(ge=0, lt=1)] = 0.5  # 0.0 to the number below 1
    off: Annotated[float, Field(ge=0, le=2)] = 0.0  # 0.0 to 2.0
    open: Annotated[float, Field(ge=0)] = 0.0  # None
    fixed: Annotated[int, Field(ge=1, le=1)] = 1  # None
    flag: bool = False
    kind: Literal["a", "b"] = "a"
    one: Literal["a"] = "a"  # None
    lengths: tuple[int, ...] = (1,)  # None
    perhaps: int | None = None  # None
    name: str = ""  # None


def test_without_a_search_the_fields_of_the_config_say_what_is_tuned():
    card = zoo.Card(name="m", summary="m", config=Bounded, trains_on="grey", latent=None, samples="means")
    assert dict(card.space) == {
        "size": zoo.Range(2, 24, log=True),
        "few": zoo.Range(4, 8, log=True),
        "weight": zoo.Range(0.05, 5.0, log=True),
        "share": zoo.Range(0.0, 1 - 2**-53),
        "off": zoo.Range(0.0, 2.0),
        "flag": (False, True),
        "kind": ("a", "b"),
        "train.learning_rate": zoo.Range(1e-4, 1e-2, log=True),
    }
    zoo.Card(
        **{name: getattr(card, name) for name in ("name", "summary", "config", "trains_on", "latent", "samples")},
        search=card.space,
    )  # every end is a valid value


def test_info_says_what_would_be_tuned(capsys):
    assert zoo.info("ae")["search"]["latent_dim"] == "4 to 64, log"
    assert run(["info", "vae"]) == 0
    assert "tuned         latent_dim (4 to 64, log); beta (0.25 to 4, log);" in capsys.readouterr().out


def test_a_tuning_alone_shows_its_trials_and_is_the_first_half_of_a_comparison(tmp_path, capsys):
    vae = "vae:hidden=[8],latent_dim=2"
    asked = {"trials": 3, "measure": "likelihood", "epochs": 1, "executor": InlineExecutor()}
    found = zoo.tune(vae, "digits", **asked, out=tmp_path)
    assert repr(found) == f"<zoo.TuningResult of {vae}, 3 trials: {tmp_path / 'tune-digits-1'}>"
    assert zoo.TuningResult.open(found.path).typed == found.typed
    (chosen,) = found.typed.contestants
    assert [trial.state for trial in chosen.trials] == ["completed"] * 3
    values = [trial.value for trial in chosen.trials]
    assert (chosen.value, chosen.default_value) == (max(values), values[0])
    assert found.best == {vae: chosen.trials[values.index(max(values))].contestant}
    assert run(["runs", str(tmp_path)]) == 0
    assert "tuned" in capsys.readouterr().out
    assert run(["tune", "--resume", str(found.path), "--jobs", "1"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(str(found))
    assert "chosen by the metric likelihood on the validation split (higher is better)" in text
    assert f"zoo train {shlex.quote(chosen.tuned)} --data digits" in text
    for trial in chosen.trials[1:]:
        settings = trial.contestant.removeprefix(f"{vae},")
        assert f"{trial.number}      {figure(trial.value):10}  {settings}\n" in text
    assert f"zoo compare --resume {found.path}" in text


def test_a_contestant_without_a_likelihood_is_not_chosen_by_one(tmp_path):
    space = DescribeSpace(Contestant("memoriser", "memoriser", group="zoo.controls"), "likelihood")
    with pytest.raises(ConfigError, match="memoriser has no likelihood to be chosen by, because memoriser does not"):
        space.run(zoo.Registry())
    asked = {"trials": 1, "measure": "likelihood", "epochs": 1, "out": tmp_path, "executor": InlineExecutor()}
    with pytest.raises(ConfigError, match="Tuning chooses by the metric likelihood, but .*decoder_noise"):
        zoo.tune([f"{AE},sample.decoder_noise=none", "vae:hidden=[8],latent_dim=2"], "digits", **asked)
    with pytest.raises(ConfigError, match="measure must be one of kernel, likelihood, got 'frechet'"):
        zoo.compare("ae", "digits", tune=1, measure="frechet", out=tmp_path)


def test_what_cannot_be_tuned_is_said_before_anything_is_trained(tmp_path):
    with pytest.raises(ConfigError, match="has no settings to tune: its card declares none, or all are given"):
        zoo.compare(
            "ae:latent_dim=2,noise=0.1,train.learning_rate=0.01",
            "digits",
            tune=2,
            out=tmp_path,
            executor=InlineExecutor(),
        )
    with pytest.raises(ConfigError, match=r"tune must be a number of trials >= 1, or 0 for none, got -1"):
        zoo.compare("ae", "digits", tune=-1, out=tmp_path)
    with pytest.raises(ConfigError, match="chooses by the metric kernel, but not computed on enumerated data"):
        zoo.compare(AE, "bars-and-stripes:3", epochs=1, tune=1, out=tmp_path / "b", executor=InlineExecutor())
    assert not list(tmp_path.glob("compare-digits*"))


@pytest.mark.parametrize(
    ("search", "error", "why"),
    [
        ({"units": zoo.Range(5, 9)}, ValueError, "search must contain the default of 'units', 4"),
        ({"units": zoo.Range(0, 9)}, ConfigError, "units must be greater than 0, got 0"),
        ({"units": zoo.Range(1.0, 9.0)}, ConfigError, "units must be a valid integer|got 1.0"),
        ({"kind": ("relu", "elu")}, ConfigError, "kind must be 'relu' or 'tanh', got 'elu'"),
        ({"model.units": (4,)}, TypeError, "search must map settings to zoo.Range or tuples of choices"),
        ({"units": 4}, TypeError, "search must map settings to zoo.Range or tuples of choices"),
    ],
)
def test_a_wrong_search_is_refused_with_the_card(search, error, why):
    from tests.test_config import Settings

    facts = {"name": "m", "summary": "m", "config": Settings, "trains_on": "grey", "latent": None, "samples": "means"}
    good = zoo.Card(**facts, search={"units": zoo.Range(1, 9), "kind": ("relu", "tanh")})
    assert list(good.space) == ["units", "kind"]
    assert zoo.Card(**facts, search={}).space == {}
    with pytest.raises(error, match=why):
        zoo.Card(**facts, search=search)


def test_a_range_has_ends_of_one_type_in_order():
    assert (4 in zoo.Range(1, 4), 4.0 in zoo.Range(1, 4), 5 in zoo.Range(1, 4)) == (True, False, False)
    for ends, log, why in (
        ((1, 1), False, "low < high"),
        ((0.0, 1.0), True, "0 < low < high"),
        ((1, 2.0), False, "both be int or both float"),
        ((0.0, float("inf")), False, "finite"),
    ):
        with pytest.raises((TypeError, ValueError), match=why):
            zoo.Range(*ends, log=log)


def test_both_gains_are_printed_and_one_whose_interval_has_zero_may_be_chance():
    found = json.loads(json.dumps(results()))
    chosen = [
        TunedContestant(
            contestant=first,
            tuned=second,
            space={"k": "1 to 5"},
            default_value=0.5,
            value=0.2,
            completed=6,
            pruned=1,
            failed=0,
        )
        for first, second in (("vae", "ae@gmm"), ("ae@gmm", "ae@gmm"))
    ]
    tuning = Tuning(
        trials=7,
        budget=BudgetFacts(value=2, unit="epochs"),
        metric="frechet",
        seed=1,
        sampler="TPE",
        contestants=chosen,
    )
    whole = typed(found)
    means = {row.contestant: row.summary["frechet"].mean for row in whole.rows if row.contestant in ("vae", "ae@gmm")}
    gain = means["vae"] - means["ae@gmm"]

    def lines(first, second, half_width):
        sign = 1 if first == "vae" else -1
        pair = {"first": first, "second": second, "mean": sign * gain, "half_width": half_width}
        changed = typed(found | {"differences": {"frechet": [pair]}})
        protocol = changed.protocol.model_copy(update={"tuning": tuning})
        return tuning_lines(changed.model_copy(update={"protocol": protocol}))

    how, tuned, kept = lines("vae", "ae@gmm", gain / 2)
    assert how.startswith(
        "Tuning: 7 trials of 2 epochs for each contestant, chosen by the metric frechet on the validation"
    )
    assert "ae@gmm: validation 0.500 → 0.200 (gain 0.300); test " in tuned
    assert f"(gain {gain:.1f}"[:8] in tuned
    assert "chance" not in tuned
    assert kept.startswith(
        "ae@gmm: the defaults were best, 0.200 on the validation split. Trials: 6 completed, 1 stopped"
    )
    assert lines("ae@gmm", "vae", gain / 2)[1] == tuned
    assert "which may be chance" in lines("vae", "ae@gmm", gain * 1.01)[1]
    assert tuning_lines(whole) == []
