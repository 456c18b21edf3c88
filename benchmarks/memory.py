"""Peak memory of an evaluation relative to that of its training: `python benchmarks/memory.py [--images N]`.

Trains a VAE on N random images of 28×28 (60,000), and evaluates it with N samples, which are compared with a third as
many test images. Prints the peak of the resident memory of both processes, and their ratio.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from usage import usage

SIDE = 28


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=60_000, metavar="N")
    parser.add_argument("--model", default="vae:sample.k=10")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        data = Path(scratch) / "images.npz"
        rng = np.random.default_rng(0)
        sizes = {"x_train": asked.images, "x_test": asked.images // 3}
        images = {name: rng.integers(256, size=(n, SIDE, SIDE), dtype=np.uint8) for name, n in sizes.items()}
        labels = {name.replace("x", "y"): np.arange(n) % 10 for name, n in sizes.items()}
        np.savez(data, **images, **labels)
        train = peak("train", asked.model, "--data", str(data), "--epochs", "1", "--out", scratch)
        (run,) = Path(scratch).glob("*-images-1")
        evaluate = peak("evaluate", str(run))
    print(f"training {train:.0f} MiB, evaluation {evaluate:.0f} MiB, ratio {evaluate / train:.2f}")


def peak(*words: str) -> float:
    """Return MiB of the largest process of a command."""
    return usage([sys.executable, "-m", "zoo", *words]).ru_maxrss / 1024


if __name__ == "__main__":
    main()
