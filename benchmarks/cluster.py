"""Comparisons on Dask: identical to one machine's, with workers killed, and at what cost. Needs `genzoo[dask]`.

    python benchmarks/cluster.py identical  six contestants x 4 seeds, 1 epoch: one machine and two workers
    python benchmarks/cluster.py killed     the same, while workers are killed, one differs, and the scheduler is
                                            killed once
    python benchmarks/cluster.py overhead   wall time on two workers over that of the embedded executor, interleaved
    python benchmarks/cluster.py busy       1,000 sleeping cells on 64 workers, which are threads of one process

One of the two workers shares the comparison's folder, the other one does not see it, unless --shared is given.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import random
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.dask_cluster import Cluster, can_hide

CONTESTANTS = ["rbm:sample.steps=100", "ae@normal", "ae@gaussian", "ae@gmm", "vae", "vae@gmm"]
COMMAND = [sys.executable, "-c", "from zoo.cli.main import main; main()", "compare"]


def words(options: argparse.Namespace, out: Path) -> list[str]:
    return [
        *options.contestants,
        "--seeds",
        str(options.seeds),
        "--epochs",
        str(options.epochs),
        "--n",
        str(options.n),
        "--save-every",
        "0.5",
        "--out",
        str(out),
    ]


def compare(options: argparse.Namespace, out: Path, *more: str) -> tuple[Path, float]:
    began = time.monotonic()
    done = subprocess.run([*COMMAND, *words(options, out), *more], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out / "compare-digits-1", time.monotonic() - began


def contents(folder: Path) -> tuple[object, dict[str, bytes]]:
    """The figures of a comparison, and the bytes of its model files."""
    rows = json.loads((folder / "results.json").read_text())["rows"]
    figures = [[(cell["seed"], cell["metrics"]) for cell in row["cells"]] for row in rows]
    files = {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*.safetensors")}
    return figures, files


def check_same(first: Path, second: Path) -> None:
    (figures, files), (other_figures, other_files) = contents(first), contents(second)
    assert figures == other_figures
    assert files == other_files
    left = [str(each.relative_to(second)) for pattern in (".*", "state*") for each in second.rglob(pattern)]
    assert not left, left
    lines = [json.loads(line)["job"] for line in (second / "journal.jsonl").read_text().splitlines()]
    assert len(lines) == len(set(lines)), "a job is recorded twice"
    print(
        f"{len(files)} model files and {sum(map(len, figures))} cells identical, {len(lines)} jobs recorded once each"
    )


def two_workers(cluster: Cluster, options: argparse.Namespace, folder: Path) -> None:
    hidden = () if options.shared or not can_hide() else (folder / "out",)
    (folder / "out").mkdir(exist_ok=True)
    cluster.worker("shared")
    cluster.worker("separate", hidden=hidden)


def identical(options: argparse.Namespace, folder: Path) -> None:
    whole, seconds = compare(options, folder / "whole", "--jobs", "2")
    print(f"one machine: {seconds:.0f} s", flush=True)
    (folder / "cluster").mkdir()
    with Cluster(folder / "cluster") as cluster:
        two_workers(cluster, options, folder)
        found, seconds = compare(options, folder / "out", "--executor", cluster.executor)
    print(f"two workers: {seconds:.0f} s")
    check_same(whole, found)


def killed(options: argparse.Namespace, folder: Path) -> None:
    """Kill workers at random moments, and start others in their place; kill the scheduler once, and resume."""
    dice = random.Random(options.seed)
    whole, seconds = compare(options, folder / "whole", "--jobs", "2")
    print(f"one machine: {seconds:.0f} s", flush=True)
    (folder / "cluster").mkdir()
    (folder / "out").mkdir()
    out = folder / "out" / "compare-digits-1"
    with Cluster(folder / "cluster") as cluster:
        different = cluster.folder / "site" / "zoo_vae-7.0.dist-info"
        different.mkdir(parents=True)
        (different / "METADATA").write_text("Metadata-Version: 2.1\nName: zoo-vae\nVersion: 7.0\n")
        cluster.worker("different", PYTHONPATH=str(different.parent))
        two_workers(cluster, options, folder)
        kills, started, ended_scheduler = 0, 0, False
        given = [*words(options, folder / "out"), "--executor", cluster.executor, "--timeout", "120"]
        said, attempts = "", 0
        while True:
            attempts += 1
            process = subprocess.Popen([*COMMAND, *given], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            lines: list[str] = []
            reader = threading.Thread(target=lambda p=process, ls=lines: ls.extend(p.stderr), daemon=True)
            reader.start()
            while process.poll() is None:
                time.sleep(dice.uniform(0.3, 1.0) * options.pause)
                if kills < options.kills and process.poll() is None:
                    name = dice.choice([each for each in cluster.workers if each != "different"])
                    hidden = name.startswith("separate")
                    cluster.kill(name)
                    started += 1
                    kills += 1
                    place = (folder / "out",) if hidden and can_hide() and not options.shared else ()
                    cluster.worker(f"{'separate' if hidden else 'shared'}-{started}", hidden=place)
                    if kills == options.kills // 2 and not ended_scheduler:
                        ended_scheduler = True
                        os.killpg(cluster.scheduler.pid, signal.SIGKILL)
                        cluster.scheduler.wait()
                        print(f"kill {kills}: the scheduler, too", flush=True)
                        for each in list(cluster.workers):
                            with contextlib.suppress(ProcessLookupError):
                                cluster.kill(each)
                        process.wait()
                        cluster.start()
                        two_workers(cluster, options, folder)
                        cluster.worker("different", PYTHONPATH=str(different.parent))
            reader.join(5)
            said += "".join(lines)
            assert "Traceback" not in "".join(lines), "".join(lines)
            if process.returncode == 0:
                break
            print(
                f"command {attempts} ended with {process.returncode}: {lines[-1].strip() if lines else ''}", flush=True
            )
            given = ["--executor", cluster.executor, "--timeout", "120", "--resume", str(out)]
            if not (out / "plan.json").exists():
                given = [*words(options, folder / "out"), *given[:4]]
    rows = json.loads((out / "results.json").read_text())["rows"]
    again = [reason for row in rows for cell in row["cells"] for reason in cell.get("lost", [])]
    print(f"{kills} workers killed, the command started {attempts} times, {len(again)} attempts of cells lost")
    print("refused:", sorted({line.split("refused: ")[1].strip() for line in said.splitlines() if "refused: " in line}))
    check_same(whole, out)


def overhead(options: argparse.Namespace, folder: Path) -> None:
    """The two in turn, so that a busy machine slows both down."""
    ratios = []
    for number in range(options.rounds):
        times = {}
        kinds = [("embedded", "--jobs", "2"), ("dask", "--executor", "dask-local:2")]
        for name, *more in kinds if number % 2 else reversed(kinds):
            _, times[name] = compare(options, folder / f"{name}-{number}", *more)
        ratios.append(times["dask"] / times["embedded"])
        print(f"embedded {times['embedded']:.1f} s, dask-local:2 {times['dask']:.1f} s: {ratios[-1]:.3f}", flush=True)
        shutil.rmtree(folder / f"dask-{number}")
    print(f"median ratio {statistics.median(ratios):.3f}")


def sleepers(options: argparse.Namespace, folder: Path) -> None:
    """A scheduler and workers that are threads of this process, and whose tasks sleep instead of starting a child."""
    import dask
    from distributed import LocalCluster

    from zoo.engine import dask_worker

    def asleep(self: dask_worker.RemoteTask, places: object) -> dict[str, object]:
        time.sleep(options.seconds)
        return {"done": {"shared": {}, "contestants": {}}}

    dask.config.set(  # what each worker does up to a hundred times a second on its own machine, and this is one machine
        {
            "distributed.worker.profile.enabled": False,
            "distributed.admin.system-monitor.interval": "10s",
            "distributed.admin.tick.interval": "10s",
        }
    )
    dask_worker.RemoteTask._ended = asleep
    dask_worker.warm = lambda preload: None
    logging.getLogger("distributed").setLevel(logging.ERROR)
    with LocalCluster(
        n_workers=options.workers,
        threads_per_worker=1,
        processes=False,
        protocol="tcp://",
        dashboard_address=None,
        memory_limit=0,
    ) as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()


def busy(options: argparse.Namespace, folder: Path) -> None:
    """Sleeping cells on workers that are threads of one process: this measures scheduling, not child processes."""
    from zoo.comparison.cells import EvaluateReal
    from zoo.comparison.schedule import ScheduledJob, Scheduler
    from zoo.engine.dask import dask_executor
    from zoo.engine.executor import Needs
    from zoo.plugins.registry import PluginRegistry

    seconds, workers, cells = options.seconds, options.workers, options.cells
    words = ["sleepers", "--workers", str(workers), "--seconds", str(seconds)]
    process = subprocess.Popen(
        [sys.executable, __file__, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    address = process.stdout.readline().strip()
    seen: list[float] = []

    def on_event(job: ScheduledJob, event: dict[str, object]) -> None:
        if "ended" in event:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            seen.append(pages * resource.getpagesize() / 2**20)

    with dask_executor(address.replace("tcp://", "dask://")) as executor:
        jobs = [
            ScheduledJob(str(number), EvaluateReal("real", "folder", (str(number),), "data"), needs=Needs())
            for number in range(cells)
        ]
        began, cpu = time.monotonic(), time.process_time()
        outcomes = Scheduler(executor, PluginRegistry(), on_event=on_event).run(jobs)
        wall, cpu = time.monotonic() - began, time.process_time() - cpu
    process.communicate("")
    failed = [outcome.reason for outcome in outcomes if outcome.failed]
    assert not failed, failed[:3]
    share, best = cells * seconds / wall / workers, -(-cells // workers) * seconds
    print(f"{cells} cells of {seconds:g} s on {workers} workers: {wall:.1f} s, busy {share:.1%}; at best {best:.1f} s")
    print(f"CPU time of the client {cpu:.1f} s")
    print("memory of the client after each 100 cells, MiB:", *(f"{each:.0f}" for each in seen[99::100]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["identical", "killed", "overhead", "busy", "sleepers"])
    parser.add_argument("--contestants", nargs="+", default=CONTESTANTS)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--epochs", type=float, default=1.0)
    parser.add_argument("--n", type=int, default=100, help="test examples to compare with")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--pause", type=float, default=10.0, help="seconds between two kills, at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--shared", action="store_true", help="let both workers see the comparison's folder")
    parser.add_argument("--cells", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=5.0, help="that a sleeping cell takes")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        globals()[options.what](options, Path(folder))


if __name__ == "__main__":
    main()
