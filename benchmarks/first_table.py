"""Time to the first table, relative to an earlier build: `python benchmarks/first_table.py [--against COMMIT]`.

Installs the projects of the earlier commit in a folder of their own, beside the packages of this environment, and runs
`zoo compare` with both builds in turn, each in a fresh folder with an empty cache. Prints the medians of the wall time
and of the CPU time (user and system, of all processes of the comparison), and the ratios to the earlier build; and the
wall time until the data are there, when the first training begins, and until the provisional table. CPU time is less
sensitive to other load on the machine than wall time; both grow with it.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

HERE = Path(__file__).parents[1]
PROJECTS = ("", "plugins/zoo-rbm", "plugins/zoo-ae", "plugins/zoo-vae")
# What a comparison prints when its data are there, and, in the new build, once every row has its first seed.
LOADED, PROVISIONAL = b"data: ", b"Provisional, "


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--against", default="667253c", metavar="COMMIT", help="the earlier build")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--old-seeds", type=int, help="seeds of the earlier build, if others")
    asked = parser.parse_args()
    old_seeds = asked.old_seeds or asked.seeds
    with tempfile.TemporaryDirectory() as scratch:
        old = build(asked.against, Path(scratch) / "old")
        contenders = {
            f"{asked.against}, {old_seeds} seeds": (old, ["--seeds", str(old_seeds)]),
            f"now, {asked.seeds} seeds": ({}, ["--seeds", str(asked.seeds)]),
            "now, --quick": ({}, ["--quick"]),
        }
        for environment in (old, {}):
            timed(environment, ["ae@normal", "--seeds", "1", "--steps", "1"])  # writes the byte code
        rounds = [{name: timed(*contender) for name, contender in contenders.items()} for _ in range(asked.rounds)]
    first = next(iter(contenders))
    print(f"{'':24} {'wall':>8} {'ratio':>6} {'CPU':>8} {'ratio':>6} {'data':>8} {'first seed':>11} {'ratio':>6}")
    for name in contenders:
        wall, cpu, loaded, seen = (median(each[name][place] for each in rounds) for place in range(4))
        ratios = [
            median(each[name][place] / each[first][of] for each in rounds) for place, of in ((0, 0), (1, 1), (3, 0))
        ]
        text = f"{name:24} {wall:6.1f} s {ratios[0]:6.2f} {cpu:6.1f} s {ratios[1]:6.2f} {loaded:6.1f} s"
        print(text, f"{seen:9.1f} s {ratios[2]:6.2f}" if seen else "")


def build(commit: str, folder: Path) -> dict[str, str]:
    """Install the projects of a commit in a folder; return the environment in which this interpreter prefers them."""
    source = folder / "source"
    source.mkdir(parents=True)
    archive = subprocess.run(["git", "archive", commit], cwd=HERE, check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", str(source)], input=archive, check=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target"]
    subprocess.run([*pip, str(folder / "site"), *(str(source / project) for project in PROJECTS)], check=True)
    return {"PYTHONPATH": str(folder / "site")}


def timed(environment: dict[str, str], arguments: list[str]) -> tuple[float, float, float, float]:
    """Return wall seconds, CPU seconds, and the seconds until the data and the provisional table (0 without one)."""
    scratch, loaded, seen = tempfile.mkdtemp(), 0.0, 0.0
    command = [sys.executable, "-P", "-m", "zoo", "compare", *arguments, "--out", f"{scratch}/runs"]
    env = os.environ | environment | {"ZOO_CACHE": f"{scratch}/cache"}
    env.pop("PYTHONDONTWRITEBYTECODE", None)  # a process would otherwise compile what it imports
    began = time.perf_counter()
    process = subprocess.Popen(command, env=env, cwd=scratch, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr
    for line in process.stderr:
        if line.startswith(LOADED):
            loaded = time.perf_counter() - began
        if line.startswith(PROVISIONAL):
            seen = time.perf_counter() - began
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    shutil.rmtree(scratch)
    if status:
        raise SystemExit(f"{' '.join(command)} failed")
    return wall, used.ru_utime + used.ru_stime, loaded, seen


if __name__ == "__main__":
    main()
