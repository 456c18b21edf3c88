"""How the cost of a comparison grows with its size: `python benchmarks/growth.py [--picture FILE]`.

One size grows tenfold in two steps, the others stay: images, pixels, contestants, seeds, installed plugins. Each point
is a `zoo compare` on random images, with one process at a time and ten epochs. Prints CPU seconds, the most memory of a
process of it, and the exponent of growth: the slope of log(cost - start) against log(size) since the point before.
`start` is the cost of a comparison that trains a tiny model for one step and measures it with 2 test images. An
exponent of 1 is linear. `--picture` draws the cost against the size, relative to the smallest.
"""

import argparse
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from startup import install
from usage import usage

FACTORS = (1, 3, 10)
IMAGES, SIDE, PLUGINS = 5_000, 8, 5
EPOCHS = 10
LEAST = 0.1  # s beyond `start`, below which a cost is noise
SIZES = ("images", "pixels", "contestants", "seeds", "plugins")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("sizes", nargs="*", default=list(SIZES), metavar="SIZE", help=f"one of {', '.join(SIZES)}")
    parser.add_argument("--picture", type=Path)
    asked = parser.parse_args()
    found = {}
    print(f"{'':12} {'factor':>6} {'CPU s':>8} {'MiB':>6} {'exponent':>9}")
    with tempfile.TemporaryDirectory() as scratch:
        start = measured(Path(scratch), 1, 1, 0, 1, 0)[0]
        print(f"{'start':12} {'':6} {start:8.1f}")
        for size in asked.sizes:
            points = []
            for factor in FACTORS:
                points.append(measured(Path(scratch), *(factor if each == size else 1 for each in SIZES)))
                exponent = ""
                if len(points) > 1:
                    before, now = (max(cpu - start, LEAST) for cpu, _ in points[-2:])
                    exponent = f"{math.log(now / before) / math.log(factor / FACTORS[len(points) - 2]):.2f}"
                print(f"{size:12} {factor:6} {points[-1][0]:8.1f} {points[-1][1]:6.0f} {exponent:>9}", flush=True)
            found[size] = [(cpu - start) / (points[0][0] - start) for cpu, _ in points]
    if asked.picture:
        draw(found, asked.picture)


def measured(
    scratch: Path, images: int, pixels: int, contestants: int, seeds: int, plugins: int
) -> tuple[float, float]:
    """Return CPU seconds, and MiB of the largest process, of a comparison; with 0 contestants, of `start`."""
    site = scratch / f"{plugins}-plugins"
    if not site.exists():
        site.mkdir()
        install(site, PLUGINS * plugins)
    side = round(SIDE * math.sqrt(pixels))
    data = scratch / f"{images}-{side}.npy"
    if not data.exists():
        np.save(data, np.random.default_rng(0).random((IMAGES * images, side, side), dtype=np.float32))
    rows = [f"vae:latent_dim={2 + number},sample.k=10" for number in range(contestants)]
    rows = rows or ["vae:hidden=[2],latent_dim=2,sample.k=1"]
    command = [sys.executable, "-m", "zoo", "compare", *rows, "--data", str(data), "--jobs", "1"]
    budget = ["--epochs", str(EPOCHS)] if contestants else ["--steps", "1", "--n", "2"]
    command += ["--seeds", str(seeds), *budget, "--out", str(scratch / "runs")]
    path = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"ZOO_CACHE": str(scratch / "cache"), "PYTHONPATH": path}
    used = usage(command, env=environment, stderr=subprocess.DEVNULL)
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def draw(found: dict[str, list[float]], path: Path) -> None:
    """Draw the cost relative to that of the smallest size, on log axes, with a line for an exponent of 1."""
    from zoo.report.drawing import Panel, to_image
    from zoo.report.plotly_json import empty_figure, log_axis, points, titled

    chart = empty_figure(340, legend=True)
    looks = [
        ("#3b7dd8", "circle"),
        ("#d8663b", "square"),
        ("#3ba55d", "diamond"),
        ("#9b59b6", "cross"),
        ("#c0a000", "x"),
    ]
    lines = [*found.items(), ("linear", list(FACTORS))]
    for (name, costs), look in zip(lines, [*looks[: len(found)], ("#808080", "circle")], strict=True):
        chart["data"].append(points(FACTORS, costs, name, look, mode="lines+markers"))
    chart["layout"]["xaxis"] |= titled("size, relative to the smallest", log_axis(1, FACTORS[-1]))
    most = max(cost for costs in found.values() for cost in costs)
    chart["layout"]["yaxis"] |= titled("CPU time, relative to the smallest", log_axis(1, max(most, FACTORS[-1])))
    to_image([Panel("", chart)]).save(path)


if __name__ == "__main__":
    main()
