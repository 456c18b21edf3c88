"""The pool: what each job returns, and what a bad one costs the others."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from zoo.engine.pool import Job, Pool
from zoo.errors import DataError

# The tasks live here and are found by name in the children, as the zoo's own are.
HERE = "engine_tasks"

TASKS = """
import os, signal, sys, time
from zoo.errors import DataError
def newly_imported(*, emit):
    import torch
    from zoo.builtin.densities.gmm import GaussianMixture
    from zoo.builtin.metrics.two_sample import c2st
    before = set(sys.modules)
    module = torch.nn.Linear(2, 2)
    torch.optim.Adam(module.parameters(), fused=True).step()
    x = torch.randn(40, 2, dtype=torch.float64)
    GaussianMixture().fit(x, torch.Generator()); c2st(x, x + 1)
    return sorted(set(sys.modules) - before - {"torch.profiler._cupti_monitor"})  # 1 ms, by name only
def double(*, x, emit): emit({"seen": x}); return 2 * x
def noisy(*, emit):
    print("to stdout"); print("to stderr", file=sys.stderr); os.system("echo from a child"); return "quiet"
def refuse(*, emit): raise DataError("the data are wrong")
def crash(*, emit): return 1 / 0
def leave(*, emit): sys.exit(3)
def die(*, emit): os.kill(os.getpid(), signal.SIGKILL)
def vanish(*, emit): os._exit(7)
def rest(*, seconds, emit): time.sleep(seconds)
def hang(*, emit): time.sleep(60)
def begun(folder):
    "How often this was begun, with this time."
    open(os.path.join(folder, str(os.getpid())), "w").close()
    return len(os.listdir(folder))
def survive(*, folder, times, how, emit):
    if begun(folder) > times: return "alive"
    hang(emit=emit) if how == "hang" else crash(emit=emit) if how == "raise" else die(emit=emit)
def orderly(*, folder, emit):
    def leave(number, frame):
        time.sleep(0.5)
        open(os.path.join(folder, "saved"), "w").close()
        sys.exit(1)
    signal.signal(signal.SIGTERM, leave)
    emit({"ready": True})
    time.sleep(60)
def meet(*, folder, mine, other, emit):
    open(os.path.join(folder, mine), "w").close()
    for _ in range(1000):
        if os.path.exists(os.path.join(folder, other)): return True
        time.sleep(0.01)
    return False
def threads(*, emit):
    import torch
    return [torch.get_num_threads(), os.environ["OMP_NUM_THREADS"]]
def draw(*, seed, emit):
    import torch
    from zoo.runtime.randomness import scoped_randomness
    with scoped_randomness(seed):
        x = torch.randn(50, 50)
        return (x @ x).sum().item().hex()
"""


@pytest.fixture(scope="module")
def tasks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tasks")
    (folder / f"{HERE}.py").write_text(TASKS)
    sys.path.insert(0, str(folder))
    yield lambda name, **arguments: Job(name, f"{HERE}:{name}", arguments)
    sys.path.remove(str(folder))


@pytest.fixture(scope="module")
def forked(tasks):
    with Pool(2, "fork") as pool:
        yield pool


def test_results_come_in_the_order_of_the_jobs_and_events_with_their_job(forked, tasks):
    events = []
    outcomes = forked.run([tasks("double", x=x) for x in range(7)], lambda job, event: events.append((job, event)))
    assert [outcome.result for outcome in outcomes] == [0, 2, 4, 6, 8, 10, 12]
    assert sorted(event["seen"] for _, event in events if "seen" in event) == list(range(7))
    assert all(job.arguments["x"] == event["seen"] for job, event in events if "seen" in event)
    assert sum("ended" in event for _, event in events) == 7


def test_a_bad_job_costs_itself_alone_and_says_how_it_ended(forked, tasks):
    names = ["refuse", "crash", "leave", "die", "vanish", "noisy"]
    outcomes = dict(zip(names, forked.run([tasks(name) for name in names]), strict=True))
    assert (outcomes["refuse"].reason, outcomes["refuse"].exit_code) == ("the data are wrong", DataError.exit_code)
    assert outcomes["refuse"].traceback == ""
    assert outcomes["crash"].reason == "ZeroDivisionError: division by zero"
    assert "return 1 / 0" in outcomes["crash"].traceback
    assert outcomes["leave"].reason == "something called sys.exit(3)"
    assert outcomes["die"].reason.startswith("its process was killed by SIGKILL")
    assert outcomes["vanish"].reason == "its process ended with exit code 7 and no result"
    assert outcomes["noisy"].result == "quiet"


def test_what_a_job_prints_goes_to_its_log(forked, tasks, tmp_path):
    job = Job("noisy", f"{HERE}:noisy", {}, log=tmp_path / "output.log")
    assert forked.run([job])[0].result == "quiet"
    assert set((tmp_path / "output.log").read_text().splitlines()) == {"to stdout", "to stderr", "from a child"}


def test_jobs_find_imported_what_training_densities_and_metrics_need(forked, tasks):
    (outcome,) = forked.run([tasks("newly_imported")])
    assert outcome.result == []


def test_a_job_computes_on_one_thread(forked, tasks):
    assert forked.run([tasks("threads")])[0].result == [1, "1"]


def test_as_many_jobs_run_at_once_as_there_are_slots_and_no_more(forked, tasks, tmp_path):
    pairs = [("a", "b"), ("b", "a"), ("c", "a")]
    running, most = set(), []

    def watch(job, event):
        if "started" in event:
            running.add(job.arguments["mine"])
        if "ended" in event:
            running.remove(job.arguments["mine"])
        most.append(len(running))

    jobs = [tasks("meet", folder=str(tmp_path), mine=mine, other=other) for mine, other in pairs]
    assert [outcome.result for outcome in forked.run(jobs, watch)] == [True, True, True]
    assert max(most) == 2


def test_the_longest_kind_goes_first_once_each_kind_is_known(tasks):
    def job(kind, number, seconds):
        return replace(tasks("rest", seconds=seconds), name=f"{kind}{number}", kind=kind)

    jobs = [each for number in range(3) for each in (job("short", number, 0), job("long", number, 0.5))]
    started = []
    with Pool(1) as pool:
        pool.run([tasks("rest", seconds=0)])  # the first waits for the server's imports
        outcomes = pool.run([*jobs, job("", 0, 0)], lambda job, event: "started" in event and started.append(job.name))
    assert started == ["short0", "long0", "0", "long1", "long2", "short1", "short2"]
    assert [outcome.job.name for outcome in outcomes] == [*(each.name for each in jobs), "0"]


def test_a_hanging_job_is_stopped_at_its_timeout_tried_again_if_asked_and_the_others_finish(tasks, tmp_path):
    with Pool(2, "fork", timeout=6.0) as pool:
        pool.run([tasks("double", x=1)])  # the server is warm now
        began = time.monotonic()
        again = replace(tasks("survive", folder=str(tmp_path), times=1, how="hang"), tries=3)
        hung, fine, alive = pool.run([tasks("hang"), tasks("double", x=4), again])
    assert hung.reason == "it ran longer than 6 s"
    assert hung.lost == ()
    assert fine.result == 8
    assert (alive.result, alive.lost) == ("alive", ("it ran longer than 6 s",))
    assert time.monotonic() - began < 30


def test_a_job_whose_process_dies_is_tried_again_twice_and_says_so(forked, tasks, tmp_path):
    jobs, events = [tasks("double", x=4)], []
    for times in (1, 2, 3):
        (tmp_path / str(times)).mkdir()
        job = tasks("survive", folder=str(tmp_path / str(times)), times=times, how="die")
        jobs.append(replace(job, name=str(times), tries=3))
    outcomes = forked.run(jobs, lambda job, event: "lost" in event and events.append(job.name))
    assert [outcome.result for outcome in outcomes] == [8, "alive", "alive", None]
    assert [len(outcome.lost) for outcome in outcomes] == [0, 1, 2, 2]
    assert sorted(events) == ["1", "2", "2", "3", "3"]
    assert {each[:32] for outcome in outcomes for each in outcome.lost} == {"its process was killed by SIGKIL"}
    assert outcomes[3].reason.startswith("its process was killed by SIGKILL")
    assert [len(list((tmp_path / str(times)).iterdir())) for times in (1, 2, 3)] == [2, 3, 3]


def test_what_a_job_raises_is_an_answer_and_not_tried_again(forked, tasks, tmp_path):
    job = replace(tasks("survive", folder=str(tmp_path), times=1, how="raise"), tries=3)
    (outcome,) = forked.run([job])
    assert outcome.reason == "ZeroDivisionError: division by zero"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_jobs_may_save_what_they_have_when_their_caller_is_interrupted(tasks, tmp_path, method):
    def interrupt(job, event):
        if "ready" in event:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Pool(1, method) as pool:
        pool.run([tasks("orderly", folder=str(tmp_path))], interrupt)
    assert (tmp_path / "saved").exists()


def test_forked_and_spawned_jobs_compute_the_same(forked, tasks):
    jobs = [tasks("draw", seed=seed) for seed in (0, 1)]
    with Pool(2, "spawn") as pool:
        spawned = [outcome.result for outcome in pool.run([*jobs, tasks("die")])]
    assert spawned[:2] == [outcome.result for outcome in forked.run(jobs)]
    assert spawned[0] != spawned[1]
    assert spawned[2] is None


def test_an_inline_job_runs_in_this_process_and_its_failure_is_an_outcome(forked, tasks):
    job = Job("here", "zoo.engine.worker:failure", {}, inline=True)
    outcome = forked.run([tasks("double", x=2), job])[1]
    assert outcome.reason.startswith("TypeError")


def test_no_process_is_left_when_the_pool_closes_or_its_owner_is_killed(tasks, tmp_path):
    script = f'''
import sys, os
sys.path.insert(0, {str(next(path for path in sys.path if os.path.exists(os.path.join(path, HERE + ".py"))))!r})
from zoo.engine.pool import Pool, Job
with Pool(1, "fork") as pool:
    pool.run([Job("double", "{HERE}:double", {{"x": 1}})])
    print(pool._server.pid, flush=True)
    pool.run([Job("hang", "{HERE}:hang", {{}})])
'''
    owner = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    server = int(owner.stdout.readline())
    time.sleep(0.5)
    children = [
        int(pid)
        for pid in subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(server)], capture_output=True, text=True
        ).stdout.split()
    ]
    assert children
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    owner.stdout.close()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and any(_alive(pid) for pid in [server, *children]):
        time.sleep(0.05)
    assert not any(_alive(pid) for pid in [server, *children])


def _alive(pid):
    """Whether a process runs; one that nobody has reaped is gone all the same."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
