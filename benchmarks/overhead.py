"""Overhead of the default comparison besides its cells: `python benchmarks/overhead.py [--rounds N]`.

Runs `zoo.compare()` with one process at a time, in a fresh process, and subtracts from its wall time the seconds of the
cells, which train, sample and evaluate. The rest (start-up, data, plugins, tables, pictures and the report) is printed
as a multiple of the time to import the server's modules once. All values are medians over the rounds.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from statistics import median

IMPORTS = (
    "import importlib; from zoo.comparison.run import PRELOAD; [importlib.import_module(each) for each in PRELOAD]"
)
COMPARE = """
import sys, zoo
cells = []
def on_event(job, event):
    if "ended" in event and job.job.kind in ("train", "real"):
        cells.append(event["ended"].seconds)
zoo.compare(out=sys.argv[1], jobs=1, on_event=on_event)
print(sum(cells))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    imports, others, cells = [], [], []
    for _ in range(rounds):
        imports.append(timed(IMPORTS)[0])
        with tempfile.TemporaryDirectory() as folder:
            whole, printed = timed(COMPARE, folder)
        cells.append(float(printed))
        others.append(whole - cells[-1])
    ratio = median(other / once for other, once in zip(others, imports, strict=True))
    print(f"cells                      {median(cells):6.1f} s")
    print(f"overhead                   {median(others):6.1f} s")
    print(f"imports of the server      {median(imports):6.1f} s; the overhead is {ratio:.2f}x this time")


def timed(script: str, *arguments: str) -> tuple[float, str]:
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", script, *arguments], check=True, stdout=subprocess.PIPE, text=True)
    return time.perf_counter() - began, done.stdout


if __name__ == "__main__":
    main()
