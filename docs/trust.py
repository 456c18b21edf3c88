"""What each metric can be trusted for: `python docs/trust.py > docs/trust.md`.

Sanity checks with known answers, after Räisä, van Breugel and van der Schaar (2025), Position: All Current Generative
Fidelity and Diversity Metrics are Flawed, arXiv:2505.22450, and a calibration on the digits. The suite runs the checks
and requires that the card of a metric names each check that it fails.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Literal, NamedTuple

import torch
from torch import Tensor

import zoo
from zoo.builtin.metrics.clipped import ClippedCoverage, ClippedDensity, clipped_coverage, clipped_density
from zoo.builtin.metrics.copies import copies
from zoo.builtin.metrics.frechet import Frechet, frechet_distance
from zoo.builtin.metrics.jackknife import bias_corrected
from zoo.builtin.metrics.kernel import Kernel, kernel_distance
from zoo.builtin.metrics.manifold import Coverage, Density, Precision, Recall, density_coverage, precision_recall
from zoo.builtin.metrics.sliced import SlicedWasserstein, sliced_wasserstein
from zoo.builtin.metrics.two_sample import C2ST, c2st
from zoo.evaluation.features import feature_space

N = 400  # rows of each set
D = 8  # columns
Aim = Literal["fidelity", "diversity", "both"]


class Subject(NamedTuple):
    """A metric: its figure of two sets, its figure for equal laws, and what it claims to measure."""

    card: zoo.MetricCard
    figure: Callable[[Tensor, Tensor], float]
    ideal: float
    aim: Aim


SUBJECTS = [
    Subject(Frechet.card, lambda r, f: bias_corrected(frechet_distance, f, r) or 0.0, 0.0, "both"),
    Subject(Kernel.card, lambda r, f: kernel_distance(f, r), 0.0, "both"),
    Subject(SlicedWasserstein.card, lambda r, f: sliced_wasserstein(r, f[: len(r)]), 0.0, "both"),
    Subject(C2ST.card, lambda r, f: c2st(r, f[: len(r)]).accuracy, 0.5, "both"),
    Subject(ClippedCoverage.card, lambda r, f: clipped_coverage(r, f[: len(r)]), 1.0, "diversity"),
    Subject(ClippedDensity.card, clipped_density, 1.0, "fidelity"),
    Subject(Density.card, lambda r, f: density_coverage(r, f[: len(r)]).density, 1.0, "fidelity"),
    Subject(Coverage.card, lambda r, f: density_coverage(r, f[: len(r)]).coverage, 1.0, "diversity"),
    Subject(Precision.card, lambda r, f: precision_recall(r, f[: len(r)]).precision, 1.0, "fidelity"),
    Subject(Recall.card, lambda r, f: precision_recall(r, f[: len(r)]).recall, 1.0, "diversity"),
]


class Check(NamedTuple):
    """A situation with a known answer.

    Attributes:
        name: as cards name it.
        what: one sentence: the sets, and what must hold.
        sets: (real, fake) for each case.
        holds: whether the figures of the cases are right, as losses: 0 for equal laws, larger is worse, 1 at most for
            shares; and the aim of the metric.
        aims: metrics that the check is about.
    """

    name: str
    what: str
    sets: Callable[[], list[tuple[Tensor, Tensor]]]
    holds: Callable[[list[float], Aim], bool]
    aims: tuple[Aim, ...] = ("fidelity", "diversity", "both")


def losses(subject: Subject, check: Check) -> list[float]:
    """Return the figure of each case as a loss: how much worse than for equal laws; negative is better than ideal."""
    sign = -1 if subject.card.direction == "higher" else 1
    return [sign * (subject.figure(*sets) - subject.ideal) for sets in check.sets()]


def holds(subject: Subject, check: Check) -> bool | None:
    """Return whether a metric passes a check; None if the check is not about it."""
    return check.holds(losses(subject, check), subject.aim) if subject.aim in check.aims else None


def normal(n: int, d: int = D, *, seed: int, shift: float = 0.0, scale: float = 1.0) -> Tensor:
    """Return rows of N(shift, scale² I)."""
    return shift + scale * torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def uniform(n: int, d: int, *, seed: int) -> Tensor:
    """Return rows that are uniform in the unit cube."""
    return torch.rand(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def modes(weights: list[float], *, seed: int, n: int = N) -> Tensor:
    """Rows of a mixture of normals around 10 e_k."""
    ends = torch.tensor(weights, dtype=torch.float64).cumsum(0)
    places = torch.searchsorted(ends, (torch.arange(n) + 0.5) / n)
    return normal(n, seed=seed) + 10 * torch.nn.functional.one_hot(places, D)


def on_sphere(n: int, *, seed: int) -> Tensor:
    """Return rows that are uniform on the unit sphere."""
    x = normal(n, seed=seed)
    return x / x.norm(dim=1, keepdim=True)


def _worse(found: list[float], aim: Aim) -> bool:
    """Equal laws look equal, and the last case is clearly worse, on the way there never better."""
    small, rises = abs(found[0]) < 0.15, all(b > a - 0.05 for a, b in pairwise(found))
    return small and rises and found[-1] > (0.5 if aim != "both" else max(0.1, 5 * abs(found[0])))


def _rises(found: list[float]) -> bool:
    return all(b > a + 0.01 for a, b in pairwise(found))


def _near(found: list[float], expected: tuple[float, ...]) -> bool:
    return all(abs(loss - share) < 0.1 for loss, share in zip(found, expected, strict=True))


def _pairs(real: Tensor, fakes: list[Tensor]) -> list[tuple[Tensor, Tensor]]:
    return [(real, fake) for fake in fakes]


FIVE = [0.2] * 5
CHECKS = [
    Check(
        "mean shift",
        "Samples are shifted by 0, 0.5, 1, 2 standard deviations in each of 8 columns: worse and worse.",
        lambda: _pairs(normal(N, seed=1), [normal(N, seed=2, shift=shift) for shift in (0, 0.5, 1, 2)]),
        _worse,
    ),
    Check(
        "wide samples",
        "Samples are spread 1, 1.5, 2, 4 times as wide: worse and worse fidelity.",
        lambda: _pairs(normal(N, seed=1), [normal(N, seed=2, scale=scale) for scale in (1, 1.5, 2, 4)]),
        _worse,
        ("fidelity", "both"),
    ),
    Check(
        "narrow samples",
        "Samples are spread 1, 0.7, 0.4, 0.1 times as wide: worse and worse diversity.",
        lambda: _pairs(normal(N, seed=1), [normal(N, seed=2, scale=scale) for scale in (1, 0.7, 0.4, 0.1)]),
        _worse,
        ("diversity", "both"),
    ),
    Check(
        "better than real",
        "Samples near the mean (a tenth as wide, or its repetition) must not look better than real examples do.",
        lambda: _pairs(normal(N, seed=1), [normal(N, seed=2, scale=0.1), torch.zeros(N, D, dtype=torch.float64)]),
        lambda found, aim: min(found) > -0.05,
    ),
    Check(
        "one repeated sample",
        "The mean of the real examples, returned every time, must look clearly worse than real examples.",
        lambda: _pairs(normal(N, seed=1), [torch.zeros(N, D, dtype=torch.float64)]),
        lambda found, aim: found[0] > 0.25,
    ),
    Check(
        "outlier among real examples",
        "A tenth of the samples lies between the real examples and one far outlier: the outlier must not excuse them.",
        lambda: [
            (real, torch.cat([normal(N - N // 10, seed=2), normal(N // 10, seed=3, shift=20)]))
            for real in (
                normal(N, seed=1),
                torch.cat([normal(N - 1, seed=1), torch.full((1, D), 40.0, dtype=torch.float64)]),
            )
        ],
        lambda found, aim: abs(found[1] - found[0]) < 0.05,
        ("fidelity",),
    ),
    Check(
        "outliers among samples",
        "Samples miss half of the real examples; 10 stray samples, far away, must not hide that.",
        lambda: [
            (normal(N, seed=1), fake)
            for half in [normal(2 * N, seed=2)]
            for kept in [half[half[:, 0] < 0][: N - 10]]
            for fake in (kept, torch.cat([kept, normal(10, seed=4, scale=100)]))
        ],
        lambda found, aim: found[1] > found[0] - 0.05,
        ("diversity",),
    ),
    Check(
        "dropped modes",
        "Samples have 5, 4, 3, 2, 1 of 5 modes: diversity falls with each, up to a tenth as the share that is left.",
        lambda: _pairs(
            modes(FIVE, seed=1), [modes([1 / kept] * kept + [0.0] * (5 - kept), seed=2) for kept in (5, 4, 3, 2, 1)]
        ),
        lambda found, aim: _near(found, (0, 0.2, 0.4, 0.6, 0.8)) if aim == "diversity" else _rises(found),
        ("diversity", "both"),
    ),
    Check(
        "dropped modes, fidelity",
        "Of the same samples, all are realistic: fidelity stays.",
        lambda: _pairs(
            modes(FIVE, seed=1), [modes([1 / kept] * kept + [0.0] * (5 - kept), seed=2) for kept in (5, 3, 1)]
        ),
        lambda found, aim: max(map(abs, found)) < 0.15,
        ("fidelity",),
    ),
    Check(
        "invented modes",
        "A share 0, 0.2, 0.4, 0.6 of the samples is in modes that real examples do not have: fidelity is what is left.",
        lambda: _pairs(
            modes([0.5, 0.5], seed=1),
            [modes([(1 - bad) / 2, (1 - bad) / 2, bad], seed=2) for bad in (0, 0.2, 0.4, 0.6)],
        ),
        lambda found, aim: _near(found, (0, 0.2, 0.4, 0.6)) if aim == "fidelity" else _rises(found),
        ("fidelity", "both"),
    ),
    Check(
        "unequal shares",
        "Two modes have shares 0.5 and 0.5, of the samples 0.95 and 0.05: diversity is clearly worse.",
        lambda: _pairs(modes([0.5, 0.5], seed=1), [modes([0.5, 0.5], seed=2), modes([0.95, 0.05], seed=2)]),
        lambda found, aim: found[1] > found[0] + 0.1,
        ("diversity", "both"),
    ),
    Check(
        "hypercube",
        "Both sets are uniform in a cube of 1, 8 or 64 dimensions: they look equal.",
        lambda: [(uniform(N, d, seed=1), uniform(N, d, seed=2)) for d in (1, 8, 64)],
        lambda found, aim: max(map(abs, found)) < 0.15,
    ),
    Check(
        "sphere",
        "Real examples are on a sphere; samples are on it, or fill the ball inside: clearly worse.",
        lambda: _pairs(
            on_sphere(N, seed=1), [on_sphere(N, seed=2), on_sphere(N, seed=2) * uniform(N, 1, seed=3) ** (1 / 3)]
        ),
        lambda found, aim: found[1] > (found[0] + 0.1 if aim == "fidelity" else 3 * abs(found[0])),
        ("fidelity", "both"),
    ),
    Check(
        "one wrong column of 64",
        "Samples are shifted by 6 standard deviations in one of 64 columns: clearly worse.",
        lambda: _pairs(
            normal(N, 64, seed=1), [normal(N, 64, seed=2) + 6 * torch.nn.functional.one_hot(torch.tensor(0), 64)]
        ),
        lambda found, aim: found[0] > (0.1 if aim == "both" else 0.25),
    ),
    Check(
        "whole numbers",
        "Real values are whole numbers, samples are those plus noise that rounding would remove: worse fidelity.",
        lambda: _pairs(
            (3 * normal(N, 2, seed=1)).round(),
            [(3 * normal(N, 2, seed=2)).round() + 0.8 * (uniform(N, 2, seed=3) - 0.5)],
        ),
        lambda found, aim: found[0] > 0.1,
        ("fidelity",),
    ),
    Check(
        "more samples",
        "As many samples as real examples, three and ten times as many, of one law: they look equal.",
        lambda: _pairs(normal(N // 2, seed=1), [normal(times * N // 2, seed=2) for times in (1, 3, 10)]),
        lambda found, aim: max(map(abs, found)) < 0.1,
    ),
]


SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


def calibration() -> list[tuple[str, list[list[float]]]]:
    """Return for each kind of bad sample the figures of all metrics at each share of good samples, on the digits."""
    data = zoo.load_data("digits")
    φ = feature_space(data, zoo.cache_folder("features"))
    bits = lambda x, seed: zoo.bernoulli(x, zoo.generator(seed, "calibration"))  # noqa: E731
    real, n = φ(bits(data.test, 0)), len(data.test)
    good = φ(bits(data.train[torch.randperm(len(data.train), generator=torch.Generator().manual_seed(0))][:n], 1))
    labels = data.train_labels
    assert labels is not None
    bad = {
        "noise": φ(bits(torch.full((n, *data.spec.shape), 0.5), 2)),
        "independent pixels": φ(bits(data.train.mean(0).expand(n, *data.spec.shape), 3)),
        "the mean image, rounded": φ(data.train.mean(0).round().expand(n, *data.spec.shape)),
        "ones and sevens only": φ(bits(data.train[(labels == 1) | (labels == 7)].repeat(5, 1, 1)[:n], 4)),
    }
    found = []
    for name, other in bad.items():
        mixed = [torch.cat([good[: round(α * n)], other[round(α * n) :]]) for α in SHARES]
        found.append((name, [[subject.figure(real, fake) for subject in SUBJECTS] for fake in mixed]))
    return found


def memorised() -> list[list[float]]:
    """Return Fréchet, two-sample test, clipped coverage and near-copies at each share of new images."""
    data = zoo.load_data("digits")
    φ = feature_space(data, zoo.cache_folder("features"))
    n = len(data.valid)
    copied = data.train[torch.randperm(len(data.train), generator=torch.Generator().manual_seed(0))][:n]
    found = []
    for α in SHARES:
        x = torch.cat([data.valid[: round(α * n)], copied[round(α * n) :]])
        sets = φ(zoo.bernoulli(data.test, zoo.generator(0, "real"))), φ(zoo.bernoulli(x, zoo.generator(0, "samples")))
        share = copies(φ(data.train), φ(data.test), φ(x)).share
        half = sets[0][:n], sets[1]
        found.append([SUBJECTS[0].figure(*sets), c2st(*half).accuracy, clipped_coverage(*sets), share])
    return found


def page() -> str:
    """Return the page."""
    titles = [subject.card.title for subject in SUBJECTS]
    head = f"| check | {' | '.join(titles)} |\n|:--|{':-:|' * len(titles)}"
    signs = {True: "yes", False: "**no**", None: ""}
    rows = [
        f"| {check.name} | {' | '.join(signs[holds(subject, check)] for subject in SUBJECTS)} |" for check in CHECKS
    ]
    parts = [_HEAD, head, *rows, "", *(f"- **{check.name}**: {check.what}" for check in CHECKS), _CALIBRATION]
    columns = f"| share of good samples | {' | '.join(titles)} |\n|:--|{'--:|' * len(titles)}"
    for name, figures in calibration():
        lines = [
            f"| {share:.0%} | {' | '.join(f'{figure:.3f}' for figure in line)} |"
            for share, line in zip(SHARES, figures, strict=True)
        ]
        parts += [f"### The others: {name}\n", columns, *lines, ""]
    parts.append(_MEMORISED)
    parts += [
        f"| {share:.0%} | {' | '.join(f'{figure:.3f}' for figure in line)} |"
        for share, line in zip(SHARES, memorised(), strict=True)
    ]
    return "\n".join(parts).rstrip() + "\n"


_HEAD = f"""<!-- Written by: python docs/trust.py > docs/trust.md -->
# What each metric can be trusted for

Sanity checks with known answers, after Räisä et al. (2025), [arXiv:2505.22450](https://arxiv.org/abs/2505.22450), on
{N} real examples and {N} samples with {D} columns unless a check says otherwise. `zoo info METRIC` names the checks
that a metric fails. The checks are about the distance between two sets; near-copies, which are nearer to the training
split than new images are, are calibrated [below](#the-others-memorised), and the Vendi score has no second set.

The headline of a comparison has only metrics that no control fools. A repeated mean image has the fidelity of real
images, so clipped density stands in the second table, and density in that of `--full`.

## Checks
"""
_CALIBRATION = """
## Calibration

Digits: a share of the samples are training images, the others are bad in one way. A metric that can be trusted moves
in one direction.
"""
_MEMORISED = """### The others: memorised

Validation images, and copies of training images. Only the copy test sees the copies.

| share of new images | Fréchet distance | two-sample test | clipped coverage | near-copies |
|:--|--:|--:|--:|--:|"""


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(page(), end="")
