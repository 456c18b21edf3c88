"""Metrics of samples that were drawn for given classes: are they of their class, and as varied as its real examples?

Class Fréchet: the mean, over the classes c, of the bias-corrected Fréchet distance between the samples drawn for c
and the test images of c (`frechet`). Samples that are of the wrong class raise it, even if all samples together have
the right distribution. Classes with fewer than 40 samples or test images are left out, since their bias cannot be
corrected.

Classification accuracy score: a classifier is trained on samples with the classes that they were drawn for, as many
as there are test images, and tested on the real test images. It falls if samples are of the wrong class, or do not
cover what real examples of their class look like. The reference is the same classifier trained on as many real
training images. The classifier is the network of the feature space `classifier`, with fixed initial weights and a
fixed order of batches.

References: Benny, Galanti, Benaim and Wolf (2021), Evaluation Metrics for Conditional Image Generation,
arXiv:2004.12361. Ravuri and Vinyals (2019), Classification Accuracy Score for Conditional Generative Models,
arXiv:1905.10887.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

import zoo
from zoo.builtin.features.classifier import UNITS, feature_network
from zoo.builtin.metrics.frechet import corrected_frechet_distance, frechet_distance
from zoo.builtin.metrics.jackknife import GROUPS, both_shares, without_each_group
from zoo.builtin.metrics.sets import real_and_fake, refuse_enumerated

_LEAST = 2 * GROUPS  # rows of a class, for the correction of the bias
_SEED = 0  # weights and batches of the classifier; never used for training
_STEPS, _BATCH, _LEARNING_RATE = 1000, 64, 5e-3
_BLOCK = 1000  # images per forward pass


def class_frechet(real: Tensor, fake: Tensor, y: Tensor, fake_y: Tensor, classes: list[int]) -> float:
    """1/K Σ_c FD(fakes of class c, real rows of class c), each bias-corrected, or plain with fewer than 40 rows.

    Args:
        real, fake: features, shapes (N, d) and (M, d).
        y, fake_y: their classes, shapes (N,) and (M,).
        classes: the K classes.
    """
    return sum(corrected_frechet_distance(fake[fake_y == c], real[y == c]) for c in classes) / len(classes)


class ClassFrechet:
    """The Fréchet distance within classes, for samples of given classes."""

    card = zoo.MetricCard(
        name="class-frechet",
        title="class Fréchet distance",
        summary="Fréchet distance between samples drawn for a class and test images of that class, mean over the "
        "classes; for conditional models",
        direction="lower",
        level="full",
        paper="arXiv:2004.12361",
        ideal=0.0,
        limits=(
            "Classes with fewer than 40 test images are left out.",
            "With 72 test images in a class and 32 features, equal normal distributions have -0.2 instead of 0.",
        ),
    )

    @zoo.hookimpl
    def measure(self, evaluation: zoo.Evaluation) -> zoo.Measurement:
        """Return the mean over classes with 40 samples and test images or more, with the jackknife errors of both."""
        fake_y = evaluation.sample_labels
        (real, fake), y = real_and_fake(evaluation, least=2), evaluation.reference_labels
        most = int(max(y.max(), fake_y.max())) + 1
        rows = torch.stack([torch.bincount(each, minlength=most) for each in (y, fake_y)]).amin(0)
        classes = (rows >= _LEAST).nonzero().flatten().tolist()
        if not classes:
            raise zoo.Unsupported(
                f"needs a class with at least {_LEAST} samples and test images, got {int(rows.max())} at most"
            )
        left_out = sorted(set(y.unique().tolist()) - set(classes))

        def plain(i: Tensor, j: Tensor) -> float:
            distances = (frechet_distance(fake[i][fake_y[i] == c], real[j][y[j] == c]) for c in classes)
            return sum(distances) / len(classes)

        stderr, without_each = both_shares(plain, torch.arange(len(fake)), torch.arange(len(real)))
        return zoo.Measurement(
            class_frechet(real, fake, y, fake_y, classes),
            stderr=stderr,
            left_out=without_each,
            note=f"without the classes {', '.join(map(str, left_out))}: fewer than {_LEAST} images" if left_out else "",
        )


def classify(train: Tensor, y: Tensor, test: Tensor) -> Tensor:
    """Train the classifier on (train, y), and return the classes that it predicts for `test`, shape (N,).

    The global random state is left as it was.

    Args:
        train, test: images or other examples, shapes (M, *shape) and (N, *shape).
        y: classes, int64, shape (M,).
    """
    names, target = y.unique(return_inverse=True)
    draws = zoo.generator(_SEED, "batches of the classifier")
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(_SEED)
        *layers, _ = feature_network(tuple(train.shape[1:])).children()
        classifier = nn.Sequential(*layers, nn.Linear(UNITS, len(names)))
        optimiser = zoo.without_compiler(torch.optim.AdamW)(classifier.parameters(), lr=_LEARNING_RATE, fused=True)
        schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.0, total_iters=_STEPS)
        for _ in range(_STEPS):
            rows = torch.randint(len(train), (_BATCH,), generator=draws)
            optimiser.zero_grad()
            nn.functional.cross_entropy(classifier(train[rows]), target[rows]).backward()
            optimiser.step()
            schedule.step()
    with torch.no_grad():
        return torch.cat([names[classifier(block).argmax(1)] for block in test.split(_BLOCK)])


class ClassificationAccuracy:
    """The classification accuracy score of samples of given classes."""

    card = zoo.MetricCard(
        name="classification-accuracy",
        title="classification accuracy score",
        summary="accuracy on test images of a classifier trained on samples and the classes they were drawn for; the "
        "note has that of real training images",
        direction="higher",
        level="full",
        paper="arXiv:1905.10887",
        limits=("Samples that are easier to classify than real images can train a classifier about as well.",),
    )

    @zoo.hookimpl
    def measure(self, evaluation: zoo.Evaluation) -> zoo.Measurement:
        """Return the accuracy on the test images, as compared, with the jackknife of the test images."""
        refuse_enumerated(evaluation.data)
        fake_y, y, data = evaluation.sample_labels, evaluation.reference_labels, evaluation.data
        if data.train_labels is None or len(data.train_labels.unique()) < 2:
            raise zoo.Unsupported("needs data with labels of at least two classes")
        n = min(len(fake_y), len(y), len(data.train))
        right = (classify(evaluation.sample_bits[:n], fake_y[:n], evaluation.reference_bits) == y).double()
        ideal = (classify(evaluation.train_bits[:n], data.train_labels[:n], evaluation.reference_bits) == y).double()
        return zoo.Measurement(
            float(right.mean()),
            left_out=without_each_group(lambda each: float(each.mean()), right),
            note=f"{float(ideal.mean()):.3f} if trained on {n:,} real training images instead",
        )
