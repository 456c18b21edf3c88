"""Growth of time and memory with the data, and memory shared by parallel cells: `python benchmarks/data_scaling.py`.

Trains `ae` for one epoch through the command line on 5,000, 20,000 and 60,000 images of 28×28 (random bytes in an
`.npy` file, without a download), and prints seconds, peak memory, and the increase of both per image. Then runs eight
cells in parallel on 60,000 images and prints the sum of their proportional set sizes, in which shared pages count once,
and the sum of their resident set sizes.
"""

import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

ZOO = str(Path(sys.executable).with_name("zoo"))
SIZES = (5_000, 20_000, 60_000)
MIB = 2**20


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for size in SIZES:
            pixels = np.random.default_rng(0).integers(0, 256, (size, 28, 28), dtype=np.uint8)
            np.save(place / f"{size}.npy", pixels)
        print(f"{'images':>8} {'seconds':>8} {'peak MiB':>9} {'ms / image':>11} {'KiB / image':>12}")
        first = None
        for size in SIZES:
            seconds, peak = measured([ZOO, "train", "ae", "--data", f"{size}.npy", "--epochs", "1"], place)
            first = first or (size, seconds, peak)
            more = size - first[0]
            slopes = (
                f"{(seconds - first[1]) / more * 1e3:11.2f} {(peak - first[2]) / more / 1024:12.1f}" if more else ""
            )
            print(f"{size:8,} {seconds:8.1f} {peak / MIB:9.0f} {slopes}")
        together(place)


def measured(command: list[str], place: Path) -> tuple[float, int]:
    """Return the seconds and the peak resident memory in bytes of a command."""
    script = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, capture_output=True); "
    script += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", script, *command], cwd=place, check=True, capture_output=True, text=True
    )
    return time.perf_counter() - began, int(done.stdout) * 1024


def together(place: Path) -> None:
    """Run eight cells in parallel and print their resident and proportional set sizes."""
    command = [ZOO, "compare", "ae", "--data", f"{SIZES[-1]}.npy", "--epochs", "1", "--seeds", "8", "--jobs", "8"]
    process = subprocess.Popen(command, cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    best = {"Pss": 0, "Rss": 0, "cells": 0}
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.2):
            cells = [sizes(pid) for pid in cell_processes()]
            if sum(each["Pss"] for each in cells) > best["Pss"] and len(cells) == 8:
                best.update({key: sum(each[key] for each in cells) for key in ("Pss", "Rss")}, cells=len(cells))

    watcher = threading.Thread(target=watch)
    watcher.start()
    process.wait()
    stop.set()
    watcher.join()
    data = SIZES[-1] * 28 * 28 * 4 / MIB
    print(
        f"{best['cells']} cells in parallel on {SIZES[-1]:,} images ({data:.0f} MiB as float32): "
        f"sum of resident sets {best['Rss'] / MIB:.0f} MiB, of proportional sets {best['Pss'] / MIB:.0f} MiB"
    )


def cell_processes() -> list[str]:
    """Return the process ids of the children of the process server."""
    servers = [
        path.parent.name for path in Path("/proc").glob("[0-9]*/cmdline") if b"zoo.engine.server" in content(path)
    ]
    parents = {
        path.parent.name: content(path).rpartition(b")")[2].split()[1:2] for path in Path("/proc").glob("[0-9]*/stat")
    }
    return [pid for pid, parent in parents.items() if parent and parent[0].decode() in servers]


def sizes(pid: str) -> dict[str, int]:
    """Return Pss and Rss of a process in bytes."""
    found = {"Pss": 0, "Rss": 0}
    for line in content(Path("/proc") / pid / "smaps_rollup").decode().splitlines():
        key = line.partition(":")[0]
        if key in found:
            found[key] = int(line.split()[1]) * 1024
    return found


def content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # the process has ended
        return b""


if __name__ == "__main__":
    main()
