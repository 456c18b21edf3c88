"""Clipped Density and Clipped Coverage of digits that are real only in part: `python benchmarks/clipped.py`.

Prints both figures, before the cap at 1 too, with density and coverage, in the features of the default comparison, for
training images, mixtures of them with fair coin flips, and controls. Density takes all samples, coverage as many as
there are test images.
"""

import os

from zoo.runtime.threads import ENVIRONMENT, single_thread

os.environ.update(ENVIRONMENT)

import torch

import zoo
from zoo.builtin.metrics.clipped import _clipped
from zoo.builtin.metrics.manifold import density_coverage
from zoo.evaluation.evaluation import Evaluation
from zoo.evaluation.features import feature_space
from zoo.evaluation.reference import reference_split
from zoo.files.storage import cache_folder

K = 5
DROPPED = 3


def main() -> None:
    data = zoo.load_data("digits")
    features = feature_space(data, cache_folder("features"))
    print("| samples | M | clipped density | clipped coverage | density | coverage |\n|:--|--:|--:|--:|--:|--:|")
    for name, samples in cases(data).items():
        evaluation = Evaluation(None, data, samples, features)
        real, fake = evaluation.reference_features, evaluation.sample_features
        few = fake[: len(real)]
        shown = [before_the_cap(_clipped(real, fake, K).density[0]), before_the_cap(_clipped(real, few, K).coverage[0])]
        plain = density_coverage(real, few, K)
        shown += [f"{plain.density:.2f}", f"{plain.coverage:.2f}"]
        print(f"| {name} | {len(samples):,} |", " | ".join(shown), "|", flush=True)


def before_the_cap(value: torch.Tensor) -> str:
    return f"{min(1.0, float(value)):.2f}" + (f" ({value:.2f})" if value > 1.005 else "")


def cases(data: zoo.Data) -> dict[str, torch.Tensor]:
    """Return samples by name; the random ones are drawn with a fixed seed."""
    N, n = len(data.test), reference_split(data).n_samples
    generator = torch.Generator().manual_seed(0)
    assert data.train_labels is not None
    order = torch.randperm(len(data.train), generator=generator)
    images, labels = data.train[order], data.train_labels[order]
    noise = torch.bernoulli(torch.full((n, *data.train.shape[1:]), 0.5), generator=generator)
    found = {"training images": images[:N], f"training images without class {DROPPED}": images[labels != DROPPED][:N]}
    for share in (0.75, 0.5, 0.25):
        good = round(share * N)
        name = f"{share:.0%} training images, the rest noise".replace("%", " %")
        found[name] = torch.cat([images[:good], noise[: N - good]])[torch.randperm(N, generator=generator)]
    mean = data.train.mean(0)
    pixels = torch.bernoulli(mean.expand(n, *mean.shape), generator=generator)
    return found | {
        "noise": noise,
        "independent pixels": pixels,
        "the rounded mean image, repeated": mean.round().expand_as(pixels),
    }


if __name__ == "__main__":
    with single_thread():
        main()
