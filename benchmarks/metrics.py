"""Cost of the metrics for 10,000 samples of MNIST on one thread: `python benchmarks/metrics.py`.

The samples are the validation images, the reference is the test split. Prints each metric with its CPU seconds, their
sum, and the peak memory of the process, including the data. Distances within the training split are cached in
`ZOO_CACHE`; the first run computes them. If `prdc` and `torchmetrics` are installed, their CPU seconds on the same
features follow, also as a multiple of ours.
"""

import contextlib
import io
import os
import resource
import time

from zoo.runtime.threads import ENVIRONMENT, single_thread

os.environ.update(ENVIRONMENT)

import torch

from zoo.api import load_data
from zoo.builtin.metrics.adversarial import Adversarial, PrivacyLoss
from zoo.builtin.metrics.authenticity import Authenticity
from zoo.builtin.metrics.classes import Classes
from zoo.builtin.metrics.frechet import Frechet, FrechetGrey
from zoo.builtin.metrics.kernel import Kernel, kernel_distance
from zoo.builtin.metrics.manifold import Coverage, Density, Precision, Recall, density_coverage, precision_recall
from zoo.builtin.metrics.neighbours import train_neighbours
from zoo.builtin.metrics.two_sample import C2ST
from zoo.builtin.metrics.vendi import Vendi
from zoo.evaluation.evaluation import Evaluation
from zoo.evaluation.features import feature_space
from zoo.evaluation.reference import reference_split
from zoo.files.storage import cache_folder

HEADLINE = (Frechet, Kernel, Density, Coverage, C2ST)
FULL = (FrechetGrey, Precision, Recall, Adversarial, PrivacyLoss, Vendi, Authenticity, Classes)


def main() -> None:
    data = load_data("mnist")
    evaluation = Evaluation(None, data, reference_split(data).real, feature_space(data, cache_folder("features")))
    _, seconds = timed(lambda: (evaluation.sample_features, evaluation.reference_features))
    total = show("features of both sets", "", seconds)
    _, seconds = timed(lambda: train_neighbours(evaluation))
    show("distances within the training split (once)", "", seconds)
    for metric in (*HEADLINE, *FULL):
        answer, seconds = timed(lambda metric=metric: metric().measure(evaluation))
        total += show(metric.card.name, f"{getattr(answer, 'value', answer):.4f}", seconds)
    show("sum without distances within the training split", "", total)
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10:,.0f} MiB")
    beside(evaluation.reference_features, evaluation.sample_features)


def beside(real: torch.Tensor, fake: torch.Tensor) -> None:
    """Print the time of the same metrics in other packages."""
    with contextlib.suppress(ImportError):
        from prdc import compute_prdc

        _, ours = timed(lambda: (precision_recall(real, fake), density_coverage(real, fake)))
        with contextlib.redirect_stdout(io.StringIO()):
            _, theirs = timed(lambda: [compute_prdc(real.numpy(), fake.numpy(), nearest_k=k) for k in (3, 5)])
        print(f"prdc, both k: {theirs:.2f} s, {theirs / ours:.1f} times ours")
    with contextlib.suppress(ImportError):
        from torchmetrics.image.kid import poly_mmd

        ours, theirs = timed(lambda: kernel_distance(real, fake))[1], timed(lambda: poly_mmd(real, fake))[1]
        print(f"torchmetrics, kernel distance: {theirs:.2f} s, {theirs / ours:.1f} times ours")


def timed(call):
    began = time.process_time()
    answer = call()
    return answer, time.process_time() - began


def show(name: str, value: str, seconds: float) -> float:
    print(f"{name:44}{value:>9}{seconds:8.2f} s", flush=True)
    return seconds


if __name__ == "__main__":
    with single_thread():
        main()
