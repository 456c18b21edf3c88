"""The executors: what each task returns, and what a bad one costs the others."""

import os
import queue
import signal
import subprocess
import sys
import time
from concurrent.futures import Executor, wait

import pytest

from zoo.engine.executor import InlineExecutor, TaskFailed, TimedOut, WorkerDied
from zoo.engine.processes import SpawnExecutor, default_method, process_executor
from zoo.errors import ConfigError, DataError

# The tasks live here and are found by name in the children, as the zoo's own are.
HERE = "engine_tasks"

TASKS = """
import os, signal, sys, time
from zoo.engine.events import emit
from zoo.errors import DataError
def newly_imported():
    import torch, zoo
    from zoo.builtin.metrics.two_sample import c2st
    before = set(sys.modules)
    x = torch.randn(40, 2, dtype=torch.float64)
    for name in ("vae@gmm", "rbm:train.momentum=0.5"):
        zoo.train(name, zoo.Data.from_arrays(x), steps=1, progress=False)
    c2st(x, x + 1)
    return sorted(name for name in set(sys.modules) - before if name.startswith(("torch.", "sklearn.", "scipy.")))
def double(x): emit({"seen": x}); return 2 * x
def noisy():
    print("to stdout"); print("to stderr", file=sys.stderr); os.system("echo from a child"); return "quiet"
def refuse(): raise DataError("the data are wrong")
def crash(): return 1 / 0
def leave(): sys.exit(3)
def die(): os.kill(os.getpid(), signal.SIGKILL)
def vanish(): os._exit(7)
def hang(): emit({"hangs": os.getpid()}); time.sleep(60)
def orderly(folder):
    def leave(number, frame):
        time.sleep(0.5)
        open(os.path.join(folder, "saved"), "w").close()
        sys.exit(1)
    signal.signal(signal.SIGTERM, leave)
    emit({"ready": True})
    time.sleep(60)
def threads():
    import torch
    return [torch.get_num_threads(), os.environ["OMP_NUM_THREADS"]]
def draw(seed):
    import torch
    from zoo.runtime.randomness import scoped_randomness
    with scoped_randomness(seed):
        x = torch.randn(50, 50)
        return (x @ x).sum().item().hex()
"""


@pytest.fixture(scope="module")
def forked(tasks, executor):
    """The server that the tests share, which has imported what a comparison's has."""
    return executor


def test_answers_and_events_come_with_their_task(forked, tasks):
    events = {x: [] for x in range(7)}
    futures = [forked.launch(tasks.double, (x,), on_event=events[x].append) for x in events]
    assert [future.result() for future in futures] == [0, 2, 4, 6, 8, 10, 12]
    assert events == {x: [{"seen": x}] for x in range(7)}


def test_every_kind_is_a_standard_executor(forked, tasks):
    with SpawnExecutor(1) as spawned:
        for executor in (forked, spawned, InlineExecutor()):
            assert isinstance(executor, Executor)
            assert executor.submit(tasks.double, x=4).result() == 8
            assert list(executor.map(tasks.double, [1, 2])) == [2, 4]


def test_a_bad_task_costs_itself_alone_and_says_how_it_ended(forked, tasks):
    names = ["refuse", "crash", "leave", "die", "vanish"]
    futures = {name: forked.submit(getattr(tasks, name)) for name in names}
    fine = forked.submit(tasks.double, 3)
    wait([*futures.values(), fine])
    errors = {name: future.exception() for name, future in futures.items()}
    assert (errors["refuse"].reason, errors["refuse"].exit_code) == ("the data are wrong", DataError.exit_code)
    assert errors["refuse"].traceback == ""
    assert errors["crash"].reason == "ZeroDivisionError: division by zero"
    assert "return 1 / 0" in errors["crash"].traceback
    assert errors["leave"].reason == "something called sys.exit(3)"
    assert errors["die"].reason.startswith("its process was killed by SIGKILL")
    assert errors["vanish"].reason == "its process ended with exit code 7 and no result"
    assert [isinstance(error, WorkerDied) for error in errors.values()] == [False, False, False, True, True]
    assert fine.result() == 6


def test_what_a_task_prints_goes_to_its_log(forked, tasks, tmp_path):
    assert forked.launch(tasks.noisy, log=tmp_path / "output.log").result() == "quiet"
    assert set((tmp_path / "output.log").read_text().splitlines()) == {"to stdout", "to stderr", "from a child"}


def test_tasks_find_imported_what_training_densities_and_metrics_need(forked, tasks):
    assert forked.submit(tasks.newly_imported).result() == []


def test_a_task_computes_on_one_thread(forked, tasks):
    assert forked.submit(tasks.threads).result() == [1, "1"]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_hanging_task_is_killed_at_its_time_limit_and_the_others_finish(tasks, method):
    with process_executor(2, method) as executor:
        executor.submit(tasks.double, 1).result()  # the server is warm now
        began = time.monotonic()
        hung = executor.launch(tasks.hang, timeout=2.0)
        fine = executor.launch(tasks.double, (4,), timeout=30.0)
        assert fine.result() == 8
        with pytest.raises(TimedOut, match="it ran longer than 2 s"):
            hung.result()
        assert time.monotonic() - began < 30


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_tasks_may_save_what_they_have_when_their_caller_is_interrupted(tasks, tmp_path, method):
    ready = queue.SimpleQueue()

    def interrupted():
        with process_executor(1, method) as executor:
            executor.launch(tasks.orderly, (str(tmp_path),), on_event=ready.put)
            assert ready.get(timeout=60) == {"ready": True}
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (tmp_path / "saved").exists()


def test_forked_and_spawned_tasks_compute_the_same(forked, tasks):
    with SpawnExecutor(2) as executor:
        spawned = executor.submit(tasks.draw, 0).result()
        with pytest.raises(WorkerDied):
            executor.submit(tasks.die).result()
    first, second = forked.map(tasks.draw, (0, 1))
    assert first == spawned != second


def test_an_inline_task_runs_in_this_process_and_its_failure_is_that_of_a_task(tasks):
    seen = []
    assert InlineExecutor().launch(os.getpid).result() == os.getpid()
    assert InlineExecutor().launch(tasks.double, (2,), on_event=seen.append).result() == 4
    assert seen == [{"seen": 2}]
    with pytest.raises(TaskFailed, match="ZeroDivisionError"):
        InlineExecutor().submit(tasks.crash).result()


def test_forking_is_the_default_on_linux_alone_and_refused_elsewhere(monkeypatch):
    assert default_method() == ("fork" if sys.platform.startswith("linux") else "spawn")
    for platform in ("darwin", "win32"):
        monkeypatch.setattr(sys, "platform", platform)
        assert default_method() == "spawn"
        assert isinstance(process_executor(1), SpawnExecutor)
        with pytest.raises(ConfigError, match="method must be 'spawn' on this system, got 'fork'"):
            process_executor(1, "fork")


@pytest.mark.parametrize("kind", ["ForkServerExecutor", "SpawnExecutor"])
def test_no_process_is_left_when_the_executor_closes_or_its_owner_is_killed(tasks, kind):
    script = f"""
import sys, os, time
sys.path.insert(0, {os.path.dirname(tasks.__file__)!r})
import {HERE}
from zoo.engine.processes import {kind}
executor = {kind}(1)
executor.submit({HERE}.double, 1).result()
seen = []
executor.launch({HERE}.hang, on_event=seen.append)
while not seen: time.sleep(0.01)
print(getattr(executor, "server", os.getpid()), seen[0]["hangs"], flush=True)
time.sleep(60)
"""
    owner = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    processes = [int(each) for each in owner.stdout.readline().split()]
    assert len(processes) == 2
    assert all(_alive(pid) for pid in processes)
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    owner.stdout.close()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and any(_alive(pid) for pid in processes):
        time.sleep(0.05)
    assert not any(_alive(pid) for pid in processes)


def _alive(pid):
    """Whether a process runs; one that has ended and was not waited for counts as gone."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
