"""What the default comparison costs besides its cells: `python benchmarks/overhead.py [--rounds N]`.

Runs `zoo.compare()` with one process at a time, in a fresh process, and takes from its wall time the seconds of the
cells, which train, sample and evaluate. What is left, start-up, data, plugins, tables, pictures and the report, is
printed as a multiple of the time to import the server's modules once. Rounds in turn, medians.
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
    print(f"the rest of the comparison {median(others):6.1f} s")
    print(f"the server's imports once  {median(imports):6.1f} s, of which the rest is {ratio:.2f}x")


def timed(script: str, *arguments: str) -> tuple[float, str]:
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", script, *arguments], check=True, stdout=subprocess.PIPE, text=True)
    return time.perf_counter() - began, done.stdout


if __name__ == "__main__":
    main()
