"""Speed of the zoo relative to bare loops and peers: `python benchmarks/speed/run.py [--rounds N] [CASE …]`.

All contenders of a case do the same work: the shapes of `sizes.py`, MNIST's training images drawn as bits once, the
same update rule, one thread each, or as many as `--threads` says, on the CPU or the `--device`. Contenders are warm
processes that run one round in turn, so that other load on the machine affects all equally. Prints the median number of
images (chain steps, temperatures) per second, and the zoo's speed divided by each contender's, with the quartiles of
that ratio over the rounds. `--output FILE` writes the results as JSON, `--markdown FILE` as tables; `--least RATIO`
fails if the ratio to a bare loop is lower. The peers are installed in a separate environment in `ZOO_CACHE` on first
use.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from statistics import median, quantiles

import numpy as np
from sizes import ANNEALED, BATCH, CELL_STEPS, CELLS, CHAINS, DECODED, GIBBS, IMAGES, TEMPERATURES

HERE = Path(__file__).parent
# case -> (what is counted, how many in a round, contender -> (script, argument))
CASES = {
    "rbm-cd1": (
        "images/s",
        IMAGES,
        {
            "zoo": ("ours.py", "rbm-cd1"),
            "zoo, PCD-1": ("ours.py", "rbm-pcd1"),
            "bare loop, 16-bit thresholds": ("bare.py", "rbm-cd1"),
            "bare loop, uniform": ("bare.py", "rbm-cd1-uniform"),
            "its matrix products alone": ("bare.py", "rbm-cd1-products"),
            "scikit-learn, PCD-1": ("peers.py", "sklearn-pcd1"),
            "rbms, CD-1": ("peers.py", "rbms-cd1"),
            "rbms, PCD-1": ("peers.py", "rbms-pcd1"),
            "learnergy, CD-1": ("peers.py", "learnergy-cd1"),
        },
    ),
    "rbm-cd10": (
        "images/s",
        IMAGES,
        {"zoo": ("ours.py", "rbm-cd10"), "bare loop": ("bare.py", "rbm-cd10"), "rbms": ("peers.py", "rbms-cd10")},
    ),
    "vae": (
        "images/s",
        IMAGES,
        {
            "zoo": ("ours.py", "vae"),
            "bare loop, fused Adam": ("bare.py", "vae"),
            "bare loop, derivatives by hand": ("bare.py", "vae-by-hand"),
            "pythae": ("peers.py", "pythae-vae"),
        },
    ),
    "conv": (
        "images/s",
        IMAGES,
        {"zoo": ("ours.py", "conv"), "bare loop, fused Adam": ("bare.py", "conv")},
    ),
    "ae": (
        "images/s",
        IMAGES,
        {"zoo": ("ours.py", "ae"), "bare loop, fused Adam": ("bare.py", "ae"), "pythae": ("peers.py", "pythae-ae")},
    ),
    "gibbs": (
        "chain steps/s",
        CHAINS * GIBBS,
        {
            "zoo": ("ours.py", "gibbs"),
            "bare loop": ("bare.py", "gibbs"),
            "its matrix products alone": ("bare.py", "gibbs-products"),
            "rbms": ("peers.py", "rbms-gibbs"),
            "scikit-learn": ("peers.py", "sklearn-gibbs"),
        },
    ),
    "ais": (
        "chain temperatures/s",
        TEMPERATURES * ANNEALED,
        {"zoo": ("ours.py", "ais"), "bare loop": ("bare.py", "ais"), "rbms": ("peers.py", "rbms-ais")},
    ),
    "decode": ("images/s", DECODED, {"zoo": ("ours.py", "decode"), "bare loop": ("bare.py", "decode")}),
    "grid": (
        "images/s",
        BATCH * CELL_STEPS * CELLS,
        {"zoo": ("ours.py", "grid"), "one after another, two threads": ("ours.py", "grid-two-threads")},
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"one of {', '.join(CASES)}; default: all")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--threads", type=int, default=1, help="threads of each contender")
    parser.add_argument("--device", default="cpu", help="cpu, or cuda; scikit-learn stays on the CPU")
    parser.add_argument("--batch", type=int, default=BATCH, help=f"images per update, a divisor of {IMAGES:,}")
    parser.add_argument("--no-peers", action="store_true", help="run only the zoo and the bare loops")
    parser.add_argument(
        "--least", type=float, help="fail if the zoo's speed divided by a bare loop's is below RATIO", metavar="RATIO"
    )
    parser.add_argument("--output", type=Path, help="write the results as JSON")
    parser.add_argument("--markdown", type=Path, help="write the results as tables")
    options = parser.parse_args()
    asked = {"RACE_THREADS": options.threads, "RACE_DEVICE": options.device, "RACE_BATCH": options.batch}
    os.environ |= {name: str(value) for name, value in asked.items()}
    peers = None if options.no_peers else peers_python()
    found = {"machine": machine(), "rounds": options.rounds, "threads": options.threads, "cases": {}}
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "bits.npy"
        save_bits(data)
        for case in options.cases or CASES:
            found["cases"][case] = race(case, options.rounds, data, peers)
            print("\n".join(lines(case, found["cases"][case])), flush=True)
    found["load after"] = os.getloadavg()
    if options.least and (slow := too_slow(found["cases"], options.least)):
        sys.exit(f"below {options.least} of the bare loop: {', '.join(slow)}")
    if options.output:
        options.output.write_text(json.dumps(found, indent=2))
    if options.markdown:
        options.markdown.write_text(markdown(found))


def race(case: str, rounds: int, data: Path, peers: str | None) -> dict:
    """Return the rate and peak memory of each contender in each round."""
    unit, amount, contenders = CASES[case]
    running = {}
    for name, (script, argument) in contenders.items():
        python = peers if script == "peers.py" else sys.executable
        if python is None:
            continue
        process = subprocess.Popen(
            [python, str(HERE / script), argument, str(data)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        running[name] = process
    for name, process in running.items():
        if not process.stdout.readline():
            sys.exit(
                f"{name} of {case} failed: run benchmarks/speed/{contenders[name][0]} {contenders[name][1]} by hand"
            )
    rates: dict[str, list[float]] = {name: [] for name in running}
    peak = {}
    for _ in range(rounds):
        for name, process in running.items():
            process.stdin.write("round\n")
            process.stdin.flush()
            answer = json.loads(process.stdout.readline())
            rates[name].append(amount / answer["seconds"])
            peak[name] = answer["peak"]
    for process in running.values():
        process.stdin.close()
        process.wait()
    return {"unit": unit, "rates": rates, "peak": peak}


def ratio(found: dict, name: str) -> tuple[float, float, float]:
    """Return the zoo's speed divided by a contender's: median and quartiles over the rounds."""
    each = [ours / theirs for ours, theirs in zip(found["rates"]["zoo"], found["rates"][name], strict=True)]
    low, _, high = quantiles(each, n=4) if len(each) > 1 else (each[0],) * 3
    return median(each), low, high


def too_slow(cases: dict, least: float) -> list[str]:
    """Return the cases whose median ratio to the bare loop is below `least`."""
    bare = {
        case: next((name for name in each["rates"] if name.startswith("bare")), None) for case, each in cases.items()
    }
    return [case for case, name in bare.items() if name and ratio(cases[case], name)[0] < least]


def lines(case: str, found: dict) -> list[str]:
    text = [f"{case}, {found['unit']}"]
    for name, rates in found["rates"].items():
        middle, low, high = ratio(found, name)
        beside = "" if name == "zoo" else f"zoo is {middle:.2f}x ({low:.2f} to {high:.2f})"
        text.append(f"  {name:32}{median(rates):12,.0f}   {found['peak'][name] / 2**20:6,.0f} MiB   {beside}")
    return text


def markdown(found: dict) -> str:
    text = [
        "# Speed",
        "",
        f"Written by `python benchmarks/speed/run.py --rounds {found['rounds']} --markdown docs/benchmarks.md "
        f"{' '.join(found['cases'])}`, with one thread per contender, or the number that `--threads` gives: here "
        f"{found['threads']}. Contenders run in turn; medians of {found['rounds']} rounds. The ratio is the "
        "zoo's speed divided by the contender's, with its quartiles.",
        "",
        f"Machine: {found['machine']['processor']}, {found['machine']['cores']} cores, load "
        f"{found['machine']['load'][0]:.1f} before and {found['load after'][0]:.1f} after the run.",
    ]
    for case, each in found["cases"].items():
        text += ["", f"## {case}", "", f"| | {each['unit']} | relative speed of zoo | peak MiB |", "|:--|--:|--:|--:|"]
        for name, rates in each["rates"].items():
            middle, low, high = ratio(each, name)
            beside = "" if name == "zoo" else f"{middle:.2f} ({low:.2f}–{high:.2f})"
            text.append(f"| {name} | {median(rates):,.0f} | {beside} | {each['peak'][name] / 2**20:,.0f} |")
    return "\n".join(text) + "\n"


def machine() -> dict:
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    processor = names[0].partition(": ")[2] if names else platform.processor()
    return {"processor": processor, "cores": len(os.sched_getaffinity(0)), "load": os.getloadavg()}


def save_bits(path: Path) -> None:
    """Save MNIST's training images, drawn as bits once."""
    import zoo
    from zoo.runtime.randomness import generator

    x = zoo.load_data("mnist").train.flatten(1)
    np.save(path, zoo.bernoulli(x, generator(0, "race")).numpy().astype(np.uint8))


def peers_python() -> str:
    """Return the interpreter of the peers' environment, which is created if missing."""
    from zoo.files.storage import cache_folder

    folder = cache_folder("peers")
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", "-r", str(HERE / "peers.txt")], check=True)
        (folder / "complete").touch()
    return str(python)


if __name__ == "__main__":
    main()
