"""Tasks and comparisons on Dask workers: processes on loopback, with and without a shared folder."""

from __future__ import annotations

import json
import logging
import os
import queue
import signal
import subprocess
import sys
import time
from concurrent.futures import Executor
from dataclasses import asdict
from pathlib import Path

import pytest

import zoo
from tests.dask_cluster import Cluster, can_hide
from zoo.engine.dask import client_of, dask_executor
from zoo.engine.executor import ExecutorEnded, Needs, TaskFailed, TimedOut, WorkerDied
from zoo.engine.processes import GRACE
from zoo.engine.transfer import sha256
from zoo.errors import DataError
from zoo.files.folder_lock import Owner, locked, machine
from zoo.plugins.fingerprint import Fingerprint, fingerprints
from zoo.runtime.threads import ENVIRONMENT

HERE = "dask_tasks"

TASKS = """
import os, signal, sys, time
from pathlib import Path
from zoo.engine.events import emit
from zoo.errors import DataError
def trimmed(): return os.environ.get("MALLOC_TRIM_THRESHOLD_")
def double(x): emit({"seen": x}); return 2 * x
def count(file):
    with open(file, "a") as counter: counter.write("x")
    return len(open(file).read())
def noisy(): print("to stdout", flush=True); os.system("echo from a child"); return "quiet"
def refuse(): raise DataError("the data are wrong")
def crash(): return 1 / 0
def die(): os.kill(os.getpid(), signal.SIGKILL)
def hang(): emit({"hangs": os.getpid()}); time.sleep(60)
def nested():
    import multiprocessing
    with multiprocessing.get_context("fork").Pool(1) as pool: return pool.map(abs, [-3])
def copied(source, folder, places=None):
    places = places or {}
    emit({"source": places[source], "folder": places[folder]})
    here = Path(places[folder])
    text = Path(places[source]).read_text()
    before = (here / "before").read_text()
    (here / "before").unlink()
    (here / "sub").mkdir()
    (here / "sub" / "after").write_text(text + before)
    print("copied", flush=True)
    return len(text)
def saved(folder, places):
    here = Path(places[folder])
    def leave(number, frame):
        (here / "saved").write_text("all that there was")
        sys.exit(1)
    signal.signal(signal.SIGTERM, leave)
    emit({"ready": os.getpid()})
    time.sleep(60)
"""


@pytest.fixture(scope="module")
def distributed():
    return pytest.importorskip("distributed", reason="Dask is not installed: pip install 'genzoo[dask]'")


@pytest.fixture(scope="module")
def unseen(tmp_path_factory):
    """A folder that the worker of `cluster` does not see, where the system lets a process have mounts of its own."""
    return tmp_path_factory.mktemp("unseen")


@pytest.fixture(scope="module")
def cluster(tasks, distributed, unseen, tmp_path_factory):
    """A scheduler and one worker."""
    with Cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        cluster.worker("other", hidden=(unseen,) if can_hide() else (), MALLOC_TRIM_THRESHOLD_="65536")
        yield cluster


@pytest.fixture(scope="module")
def dask(cluster):
    with dask_executor(cluster.executor) as executor:
        executor._client.wait_for_workers(1, timeout=60)
        yield executor


@pytest.fixture
def alone(tasks, distributed, tmp_path_factory):
    """A cluster of the test's own."""
    with Cluster(tmp_path_factory.mktemp("alone")) as cluster:
        yield cluster


def test_answers_and_events_come_with_their_task(dask, tasks):
    events = {x: [] for x in range(5)}
    futures = [dask.launch(tasks.double, (x,), on_event=events[x].append) for x in events]
    assert [future.result(60) for future in futures] == [0, 2, 4, 6, 8]
    assert events == {x: [{"seen": x}] for x in range(5)}
    assert isinstance(dask, Executor)
    assert dask.slots == 1


def test_a_task_is_not_slowed_by_the_small_memory_that_dask_asks_for(dask, tasks):
    """Dask's nanny sets 65536, with which torch gives memory back after each step."""
    assert dask.submit(tasks.trimmed).result(60) == ENVIRONMENT["MALLOC_TRIM_THRESHOLD_"]


def test_equal_tasks_run_each_time(dask, tasks, tmp_path):
    file = str(tmp_path / "counter")
    assert [dask.submit(tasks.count, file).result(60) for _ in range(3)] == [1, 2, 3]


def test_a_bad_task_costs_itself_alone_and_says_how_it_ended(dask, tasks):
    futures = {name: dask.submit(getattr(tasks, name)) for name in ("refuse", "crash", "die")}
    fine = dask.submit(tasks.double, 3)
    errors = {name: future.exception(60) for name, future in futures.items()}
    assert (errors["refuse"].reason, errors["refuse"].exit_code) == ("the data are wrong", DataError.exit_code)
    assert errors["crash"].reason == "ZeroDivisionError: division by zero"
    assert "return 1 / 0" in errors["crash"].traceback
    assert errors["die"].reason.startswith("its process was killed by SIGKILL")
    assert [isinstance(error, WorkerDied) for error in errors.values()] == [False, False, True]
    assert fine.result(60) == 6


def test_a_task_has_a_log_a_time_limit_and_may_start_processes(dask, tasks, tmp_path):
    hung = dask.launch(tasks.hang, timeout=1.0)
    noisy = dask.launch(tasks.noisy, log=tmp_path / "output.log")
    with pytest.raises(TimedOut, match="it ran longer than 1 s"):
        hung.result(60)
    assert noisy.result(60) == "quiet"
    assert (tmp_path / "output.log").read_text().split("\n")[:2] == ["to stdout", "from a child"]
    assert dask.submit(tasks.nested).result(60) == [3]


@pytest.fixture(params=[pytest.param("shared", marks=pytest.mark.slow), "not shared"])
def place(request, cluster, unseen, tmp_path):
    """A cluster, and a folder of the client, of which the only worker sees everything or nothing."""
    if request.param == "not shared" and not can_hide():
        pytest.skip("this system lets no process have mounts of its own: unshare -Urm")
    folder = unseen / tmp_path.name if request.param == "not shared" else tmp_path / "seen"
    folder.mkdir()
    return cluster, folder, request.param == "shared"


def test_files_are_read_where_they_are_seen_and_sent_where_they_are_not(place, tasks):
    cluster, folder, shared = place
    source, work = folder / "data.bin", folder / "work"
    dead = subprocess.Popen(["true"])
    dead.wait()
    work.mkdir()
    source.write_text("x" * 20_000_000)  # three blocks
    for text in ("one", "two"):
        (work / "before").write_text(text)
        (work / ".hidden").touch()
        if not shared:  # an attempt on another worker died
            (work / ".lock").write_text(
                json.dumps(asdict(Owner(process=dead.pid, started="", host="", machine=machine())))
            )
        needs = Needs({str(source): {"": source}}, work)
        events = queue.SimpleQueue()
        with dask_executor(cluster.executor) as executor:
            arguments = {"log": folder / "log", "on_event": events.put, "needs": needs}
            assert executor.launch(tasks.copied, (str(source), str(work)), **arguments).result(60) == 20_000_000
        assert sorted(each.name for each in work.rglob("*")) == [".hidden", "after", "sub"]
        assert (work / "sub" / "after").read_text() == "x" * 20_000_000 + text
        seen = events.get(timeout=10)
        assert (seen["source"] == str(source), seen["folder"] == str(work)) == (shared, shared)
        (work / "sub" / "after").unlink()
        (work / "sub").rmdir()
    assert (folder / "log").read_text() == "copied\n" * 2
    sent = list((cluster.folder / "other").rglob(sha256(source)))
    assert [each.is_dir() for each in sorted(sent)] == ([] if shared else [False, True])  # received once, and linked
    (home,) = (cluster.folder / "other").rglob("zoo-files")
    assert not [each for each in home.parent.iterdir() if each.name.isidentifier()]  # Dask has put it on sys.path


def test_files_are_not_written_while_an_earlier_attempt_still_runs(place, tasks, monkeypatch):
    cluster, folder, shared = place
    if shared:
        pytest.skip("the task itself holds the lock")
    monkeypatch.setattr("zoo.engine.dask._WAIT", 0.2)
    source = folder / "source"
    for file in (source, folder / "before"):
        file.write_text("x")
    with dask_executor(cluster.executor) as executor, locked(folder):
        future = executor.launch(
            tasks.copied, (str(source), str(folder)), needs=Needs({str(source): {"": source}}, folder)
        )
        with pytest.raises(zoo.ConfigError, match=f"in use by process {os.getpid()};"):
            future.result(60)
        assert not (folder / "sub").exists()


def test_ctrl_c_lets_tasks_save_their_work_and_brings_it_back(place, tasks):
    cluster, folder, _ = place
    ready = queue.SimpleQueue()

    def interrupted():
        with dask_executor(cluster.executor) as executor:
            executor.launch(tasks.saved, (str(folder),), on_event=ready.put, needs=Needs({}, folder))
            assert ready.get(timeout=60)["ready"]
            raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert time.monotonic() - began < GRACE
    assert [each.name for each in folder.iterdir()] == ["saved"]


@pytest.mark.slow
@pytest.mark.parametrize("shared", [True, False])
def test_a_worker_that_dies_is_one_attempt_and_its_task_is_not_started_again(alone, shared, tasks, tmp_path_factory):
    folder = tmp_path_factory.mktemp("client")
    if not shared and not can_hide():
        pytest.skip("this system lets no process have mounts of its own: unshare -Urm")
    hidden = () if shared else (folder,)
    alone.worker("other", hidden=hidden)
    events = queue.SimpleQueue()
    with dask_executor(alone.executor) as executor:
        future = executor.launch(tasks.saved, (str(folder),), on_event=events.put, needs=Needs({}, folder))
        child = events.get(timeout=60)["ready"]
        (worker,) = executor._client.nthreads()
        alone.kill("other")
        alone.worker("second", hidden=hidden)
        reason = f"its worker {worker} died"
        reason += "" if shared else ", with the state that it had saved, as it does not share the folder"
        with pytest.raises(WorkerDied) as died:
            future.result(60)
        assert died.value.reason == reason
        assert events.empty()  # Dask gave the task to the second worker, where it was not started
        assert executor.submit(tasks.double, 2).result(60) == 4
    deadline = time.monotonic() + 20
    while os.path.exists(f"/proc/{child}"):  # it ends when its server sees that its worker is gone
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert list(folder.iterdir()) == []


def _parent(process):
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.mark.slow
def test_a_worker_that_hangs_costs_one_attempt_and_gets_no_more_tasks(alone, tasks, monkeypatch):
    monkeypatch.setattr("zoo.engine.dask._MARGIN", 1.0)
    workers = [alone.workers[alone.worker(name)].pid for name in ("first", "second")]
    events = queue.SimpleQueue()
    with dask_executor(alone.executor) as executor:
        executor._client.wait_for_workers(2, timeout=60)
        future = executor.launch(tasks.hang, on_event=events.put, timeout=8.0)
        child = events.get(timeout=60)["hangs"]
        server = _parent(child)
        assert _parent(server) in workers
        for each in (_parent(server), server, child):
            os.kill(each, signal.SIGSTOP)
        try:
            with pytest.raises(TimedOut, match="it ran longer than 8 s, and its worker .* gave no sign"):
                future.result(60)
            answers = [each.result(60) for each in [executor.submit(tasks.double, x) for x in range(6)]]
            assert answers == [0, 2, 4, 6, 8, 10]
        finally:
            for each in (server, child):  # stopped, they do not see that their worker ends
                os.kill(each, signal.SIGKILL)


@pytest.mark.slow
def test_a_worker_that_is_asked_to_end_lets_its_task_save_its_work_first(alone, tasks, tmp_path):
    alone.worker("other")
    events = queue.SimpleQueue()
    with dask_executor(alone.executor) as executor:
        future = executor.launch(tasks.saved, (str(tmp_path),), on_event=events.put, needs=Needs({}, tmp_path))
        events.get(timeout=60)
        began = time.monotonic()
        alone.end("other")
        assert time.monotonic() - began < GRACE
        assert (tmp_path / "saved").exists()
        alone.worker("second")
        with pytest.raises(WorkerDied, match="its worker .* died"):
            future.result(60)


def test_a_worker_that_differs_is_refused_by_name(cluster, tasks):
    required = fingerprints(["genzoo"]) | {"zoo-vae": Fingerprint("7.0", "0" * 64)}
    here = fingerprints(["zoo-vae"])["zoo-vae"].version
    with dask_executor(cluster.executor) as executor:
        future = executor.launch(tasks.double, (1,), needs=Needs(requires=required))
        with pytest.raises(TaskFailed, match=f"No worker has what .*: zoo-vae is {here}, not 7.0. Install") as failed:
            future.result(60)
        assert failed.value.exit_code == zoo.PluginError.exit_code


@pytest.mark.slow
def test_a_worker_that_differs_costs_no_task_while_another_one_does_not(alone, tasks, distributed):
    alone.worker("wrong")
    with dask_executor(alone.executor) as executor:
        executor._client.wait_for_workers(1, timeout=60)
        (wrong,) = executor._client.nthreads()
        metadata = alone.folder / "site" / "zoo_vae-7.0.dist-info"
        metadata.mkdir(parents=True)
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: zoo-vae\nVersion: 7.0\n")
        alone.worker("right", PYTHONPATH=str(metadata.parent))
        executor._client.wait_for_workers(2, timeout=60)
        required = {"zoo-vae": Fingerprint("7.0", executor._client.submit(_vae, pure=False, workers="right").result())}
        warnings = []
        needs = Needs(requires=required)
        for x in (1, 2, 3):
            assert executor.launch(tasks.double, (x,), on_event=warnings.append, needs=needs).result(60) == 2 * x
        assert list(executor._refused) == [wrong]


def _vae():
    return fingerprints(["zoo-vae"])["zoo-vae"].sha256


@pytest.mark.slow
def test_a_scheduler_that_is_killed_ends_the_executor(alone, tasks):
    alone.worker("other")
    with dask_executor(alone.executor) as executor:
        events = queue.SimpleQueue()
        future = executor.launch(tasks.hang, on_event=events.put)
        events.get(timeout=60)
        os.killpg(alone.scheduler.pid, signal.SIGKILL)
        with pytest.raises(ExecutorEnded, match="The connection to the Dask scheduler is lost"):
            future.result(60)
        with pytest.raises(ExecutorEnded, match="start it again"):
            executor.submit(tasks.double, 1)
        assert not logging.getLogger("distributed.client").isEnabledFor(logging.ERROR)  # its traceback


_TRAINING = 3  # processes of a worker with a task: its own, the server, and the task's child


def _descendants(process):
    """A process and those below it."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout.split()
    found = [process]
    for parent in found:
        found += [int(pid) for pid, above in zip(listed[::2], listed[1::2], strict=True) if int(above) == parent]
    return found


CONTESTANTS = ["rbm:hidden=8,sample.steps=5", "vae@gmm:latent_dim=2,hidden=[8],sample.k=5"]
SETTINGS = {"data": "bars-and-stripes:3", "seeds": 2, "steps": 8}


def figures(comparison):
    return [cell["metrics"] for row in comparison.rows for cell in row["cells"]]


def weights(comparison):
    return {file.relative_to(comparison.path): file.read_bytes() for file in comparison.path.rglob("*.safetensors")}


@pytest.mark.slow
def test_a_comparison_on_two_machines_is_that_of_one_and_is_resumed(alone, compare, tmp_path, distributed, monkeypatch):
    monkeypatch.setattr("zoo.comparison.run.PRELOAD", ("zoo.comparison.measuring", "zoo.training.train"))
    whole = compare(zoo, CONTESTANTS, out=tmp_path / "whole", **SETTINGS)
    out = tmp_path / "out"
    out.mkdir()
    alone.worker("shared")
    alone.worker("separate", hidden=(out,) if can_hide() else ())
    with distributed.Client(alone.address, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=60)
        comparison = zoo.compare(CONTESTANTS, out=out, executor=client.get_executor(), **SETTINGS)
        assert figures(comparison) == figures(whole)
        assert weights(comparison) == weights(whole)
        assert not list(comparison.path.rglob(".*"))
        plan = json.loads((comparison.path / "plan.json").read_text())
        assert set(plan["distributions"]) == {"genzoo", "torch", "zoo-rbm", "zoo-vae"}
        events = []
        again = zoo.compare(resume=comparison.path, executor=client, on_event=lambda *event: events.append(event))
        assert not [job.name for job, event in events if "started" in event and "seed" in job.name]
        assert figures(again) == figures(whole)


@pytest.mark.slow
def test_two_local_clusters_run_beside_each_other_without_a_warning(distributed):
    with dask_executor("dask-local:1") as one, dask_executor("dask-local:1") as other:
        assert one.slots == other.slots == 1
        assert [each._client.dashboard_link.split(":")[1] for each in (one, other)] == ["//127.0.0.1"] * 2


@pytest.mark.slow
def test_local_workers_prepare_a_comparison_too_as_another_server_would_import_everything_once_more(
    compare, tmp_path, distributed, monkeypatch
):
    monkeypatch.setattr("zoo.comparison.run.PRELOAD", ("zoo.comparison.measuring", "zoo.training.train"))
    whole = compare(zoo, CONTESTANTS, out=tmp_path / "whole", **SETTINGS)
    monkeypatch.setattr("zoo.comparison.run.process_executor", None)
    comparison = zoo.compare(CONTESTANTS, out=tmp_path / "out", executor="dask-local:2", **SETTINGS)
    assert figures(comparison) == figures(whole)
    assert weights(comparison) == weights(whole)
    with pytest.raises(zoo.ConfigError, match="hidden"):
        zoo.compare(["rbm:hidden=-1"], out=tmp_path / "wrong", executor="dask-local:1", **SETTINGS)
    assert not list((tmp_path / "wrong").iterdir())


@pytest.mark.slow
def test_a_worker_that_hangs_inside_a_comparison_costs_one_attempt_which_the_table_shows(
    alone, compare, tmp_path, distributed, monkeypatch
):
    """A whole worker with its processes stands still while it trains: nothing is lost, and nothing is there twice."""
    monkeypatch.setattr("zoo.comparison.run.PRELOAD", ("zoo.comparison.measuring", "zoo.training.train"))
    monkeypatch.setattr("zoo.engine.dask._MARGIN", 1.0)
    whole = compare(zoo, CONTESTANTS, out=tmp_path / "whole", **SETTINGS)
    workers = [alone.workers[alone.worker(name)].pid for name in ("first", "second")]
    stopped = []

    def stop_one(job, event):
        if "started" in event and "seed" in job.name and not stopped:
            end = time.monotonic() + 30
            while not stopped and time.monotonic() < end:
                stopped.extend(next((each for each in map(_descendants, workers) if len(each) == _TRAINING), []))
            for each in stopped:
                os.kill(each, signal.SIGSTOP)

    try:
        with distributed.Client(alone.address, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
            comparison = zoo.compare(
                CONTESTANTS, out=tmp_path / "out", executor=client, timeout=120, on_event=stop_one, **SETTINGS
            )
    finally:
        for each in stopped:
            os.kill(each, signal.SIGKILL)
    assert figures(comparison) == figures(whole)
    assert weights(comparison) == weights(whole)
    lost = [reason for row in comparison.rows for cell in row["cells"] for reason in cell.get("lost", [])]
    assert len(lost) == 1
    assert "ran longer than 120 s, and its worker" in lost[0]
    assert lost[0] in " ".join(str(comparison).split())
    journal = [json.loads(line)["job"] for line in (comparison.path / "journal.jsonl").read_text().splitlines()]
    assert len(journal) == len({json.dumps(job) for job in journal})


def test_only_a_client_and_its_executor_are_of_dask():
    assert client_of(object()) is None


@pytest.mark.parametrize("address", ["dask://host", "dask-local:0", "ray://host:1", "dask://host:1/x"])
def test_an_invalid_address_is_refused_with_the_valid_ones(address):
    with (
        pytest.raises(zoo.ConfigError, match=f"must be dask://HOST:PORT or dask-local:N, got '{address}'"),
        dask_executor(address),
    ):
        pass


def test_a_scheduler_that_is_not_there_is_said_in_a_sentence(distributed, monkeypatch):
    monkeypatch.setattr("zoo.engine.dask._CONNECT", 0.5)
    with (
        pytest.raises(zoo.ConfigError, match="no Dask scheduler at dask://127.0.0.1:9;"),
        dask_executor("dask://127.0.0.1:9"),
    ):
        pass


def test_without_dask_the_core_runs_and_the_extra_is_named(tmp_path):
    """In a process in which Dask cannot be imported."""
    script = """
import sys
sys.modules["distributed"] = sys.modules["dask"] = None
from zoo.cli.main import main
import zoo.comparison.run, zoo.engine.dask, zoo.engine.dask_worker
sys.argv = ["zoo", "compare", "vae", "--executor", "dask-local:2", "--out", sys.argv[1]]
main()
"""
    done = subprocess.run([sys.executable, "-c", script, tmp_path], capture_output=True, text=True)
    expected = "dask-local:2 needs Dask, which is not installed; install it: pip install 'genzoo[dask]'"
    assert (done.returncode, done.stderr.strip().splitlines()[-1]) == (2, f"Error: {expected}")
    assert list(tmp_path.iterdir()) == []
