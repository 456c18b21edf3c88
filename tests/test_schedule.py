"""The scheduler over any executor: order, slots, attempts, and jobs that survive JSON."""

from __future__ import annotations

import math
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import count

import pytest

import zoo
from zoo.comparison.cells import CellResult, EvaluateReal, EvaluateRun, TrainCell
from zoo.comparison.jobs import from_json, key, perform, result_from_plain, result_to_plain, to_json
from zoo.comparison.preparation import DescribeContestant, PrepareData
from zoo.comparison.schedule import ScheduledJob, Scheduler
from zoo.contestant import Contestant, parse_contestant
from zoo.engine.executor import ExecutorEnded, TaskExecutor, TaskFailed, WorkerDied
from zoo.plugins.registry import PluginRegistry
from zoo.training.budget import TrainingBudget

SETTINGS = {
    "name": "ae",
    "model": "zoo-ae/ae",
    "version": "0.1.0",
    "density": None,
    "trains_on": "grey",
    "samples": "means",
    "config": {},
    "training": {},
    "options": {},
    "sensitivity": {},
}


class Script(TaskExecutor):
    """Ends one task for each that is launched beyond the slots, or at the end, as its script says.

    Args:
        slots: how many are launched before the first ends.
        ends: what becomes of each attempt, by contestant: an exception, or None for an answer.
    """

    def __init__(self, slots, ends=None):
        self.slots, self.ends, self.running, self.launched = slots, ends or {}, [], []

    def launch(self, fn, args=(), kwargs=None, *, log=None, on_event=None, timeout=None, needs=None):
        text = from_json(args[0]).contestant.text
        self.launched.append(text)
        future = Future()
        attempts = self.ends.get(text, [])
        error = attempts.pop(0) if attempts else None
        if on_event:
            on_event({"stage": text})
        if error is None:
            future.set_result(SETTINGS)
        else:
            future.set_exception(error)
        return future


def job(text, group="", attempts=1):
    described = DescribeContestant(Contestant(text, "ae"))
    return ScheduledJob(text, described, duration_group=group, attempts=attempts)


def run(executor, jobs, **settings):
    return Scheduler(executor, PluginRegistry(), **settings).run(jobs)


def test_outcomes_come_in_the_order_of_the_jobs_with_typed_results_and_events():
    events = []
    outcomes = run(Script(2), [job(text) for text in "abc"], on_event=lambda job, event: events.append((job, event)))
    assert [outcome.job.name for outcome in outcomes] == ["a", "b", "c"]
    assert outcomes[0].result.model == "zoo-ae/ae"
    assert {event["stage"] for _, event in events if "stage" in event} == {"a", "b", "c"}
    assert all(job.name == event["stage"] for job, event in events if "stage" in event)
    assert sum("ended" in event for _, event in events) == 3


def test_the_longest_group_goes_first_once_each_group_is_known(monkeypatch):
    clock = count()  # each look at the clock is a second; a long job looks away for a hundred
    executor = Script(1)
    launch = executor.launch

    def timed(fn, args, **more):
        if from_json(args[0]).contestant.text.startswith("long"):
            for _ in range(100):
                next(clock)
        return launch(fn, args, **more)

    executor.launch = timed
    monkeypatch.setattr("zoo.comparison.schedule.time.monotonic", lambda: float(next(clock)))
    jobs = [job(f"{group}{number}", group) for number in range(3) for group in ("short", "long")]
    run(executor, [*jobs, job("other")])
    assert executor.launched == ["short0", "long0", "other", "long1", "long2", "short1", "short2"]


def test_a_job_whose_worker_dies_is_attempted_again_and_what_it_raises_is_an_answer():
    died, raised = WorkerDied("its process was killed"), TaskFailed("ValueError: no", 1, "the traceback")
    ends = {"once": [died], "thrice": [died, died, died], "raises": [raised]}
    outcomes = run(Script(2, ends), [job(text, attempts=3) for text in ("fine", "once", "thrice", "raises")])
    assert [outcome.reason for outcome in outcomes] == ["", "", "its process was killed", "ValueError: no"]
    assert [len(outcome.failed_attempts) for outcome in outcomes] == [0, 1, 2, 0]
    assert outcomes[3].traceback == "the traceback"


@pytest.mark.parametrize(("slots", "expected"), [(None, 3), (1, 1), (2, 2)])
def test_as_many_jobs_run_at_once_as_there_are_slots(slots, expected):
    class Waiting(Script):
        """Answers only once as many are launched as may run at once."""

        most = 0

        def launch(self, fn, args=(), kwargs=None, *, log=None, on_event=None, timeout=None, needs=None):
            future = Future()
            self.running.append(future)
            self.most = max(self.most, sum(not each.done() for each in self.running))
            if len([each for each in self.running if not each.done()]) == expected or len(self.running) == 6:
                for each in self.running:
                    if not each.done():
                        each.set_result(SETTINGS)
            return future

    executor = Waiting(3)
    run(executor, [job(text) for text in "abcdef"], slots=slots)
    assert executor.most == expected


def test_any_executor_will_do():
    with ThreadPoolExecutor(2) as executor:
        jobs = [ScheduledJob(text, DescribeContestant(parse_contestant(text))) for text in ("ae", "vae:latent_dim=0")]
        fine, wrong = run(executor, jobs)
    assert fine.result.name == "ae"
    assert (wrong.exit_code, wrong.traceback) == (2, "")
    assert "latent_dim" in wrong.reason


def test_an_executor_that_accepts_nothing_more_ends_the_comparison():
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    with pytest.raises(ExecutorEnded, match="accepts no jobs"):
        run(executor, [job("a")])

    class Gone(Executor):
        def submit(self, fn, /, *args, **kwargs):
            future = Future()
            future.set_exception(ExecutorEnded("it is gone"))
            return future

    with pytest.raises(ExecutorEnded, match="it is gone"):
        run(Gone(), [job("a")])


def test_a_comparison_runs_on_any_executor(tmp_path, compare):
    settings = {"data": "bars-and-stripes:2", "seeds": 1, "steps": 4}
    ours = compare(zoo, "ae@normal:latent_dim=2,hidden=[4]", out=tmp_path / "ours", **settings)
    with ThreadPoolExecutor(1) as executor:
        text = "ae@normal:latent_dim=2,hidden=[4]"
        theirs = zoo.compare(text, executor=executor, out=tmp_path / "theirs", **settings)
    assert [row["cells"][0]["metrics"] for row in theirs.rows] == [row["cells"][0]["metrics"] for row in ours.rows]


TRAIN = TrainCell(
    (Contestant("vae:beta=inf", "vae", config={"beta": math.inf, "hidden": [2]}), Contestant("a", "b", "gmm")),
    3,
    TrainingBudget(2.0, "epochs"),
    "runs/x/vae/seed-3",
    ("frechet",),
    True,
    "cpu",
    None,
    "scratch/data",
    "zoo compare --resume x",
    30.0,
    False,
)


@pytest.mark.parametrize(
    "each",
    [
        TRAIN,
        PrepareData(None, "f", False, "cpu"),
        EvaluateReal("real", "f", ("a",), "file"),
        EvaluateRun("r", "s", 2**62, "f", (), True, "cpu", {"k": 5}, 10, file="x"),
    ],
)
def test_a_job_survives_json(each):
    assert from_json(to_json(each)) == each


def test_the_key_of_a_job_is_all_that_its_result_depends_on(tmp_path):
    cell = replace(TRAIN, folder=str(tmp_path / "here" / "vae"))
    moved = replace(TRAIN, folder=str(tmp_path / "there" / "vae"), file="elsewhere", save_every=1.0, command="other")
    assert key(cell, tmp_path / "here") == key(moved, tmp_path / "there")
    assert key(cell, tmp_path / "here") != key(replace(cell, seed=4), tmp_path / "here")
    assert key(cell, tmp_path / "here") != key(replace(cell, device="cuda"), tmp_path / "here")


def test_the_result_of_a_cell_survives_json_and_what_is_not_set_stays_absent():
    plain = {"shared": {"parameters": 5}, "contestants": {"a": {"metrics": {"m": {"value": 1.5}}}, "b": {"failed": ""}}}
    result = result_from_plain(TRAIN, plain)
    assert isinstance(result, CellResult)
    assert not result.is_whole
    assert result_to_plain(TRAIN, result) == plain


def test_performing_a_job_gives_plain_values():
    assert perform(to_json(DescribeContestant(parse_contestant("ae"))))["model"] == "zoo-ae/ae"
