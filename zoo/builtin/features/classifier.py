"""A small classifier of the training split, trained on images and bits drawn from them; its last hidden layer is φ.

    φ(x) = (h(x) - μ) / σ,   h: image -> 32 units,   p(label | x) = softmax(A h(x) + a)

μ and σ are the mean and standard deviation of each unit over the training split as compared (bits for [0, 1] data),
so that distances have the same scale on every data set: the variances of the features sum to 32.
"""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor, nn

import zoo

UNITS = 32

_CHANNELS = 32
_SMALLEST_SIDE = 7  # strided convolutions halve an image until one side is at most this
_STEPS = (300, 1000)  # one pass through the training split, within these bounds
_BATCH = 64
_LEARNING_RATE = 5e-3
_BLOCK = 1000  # images per forward pass


def feature_network(shape: tuple[int, ...]) -> nn.Sequential:
    """Return the untrained φ: convolutions for images (H, W) and (C, H, W), one dense layer for anything else."""
    layers: list[nn.Module] = [nn.Flatten()]
    channels, *sides = shape if len(shape) != 2 else (1, *shape)
    if len(sides) == 2 and min(sides) > _SMALLEST_SIDE:
        layers.append(nn.Unflatten(1, (channels, *sides)))
        while min(sides) > _SMALLEST_SIDE:
            layers += [nn.Conv2d(channels, _CHANNELS, kernel_size=3, stride=2, padding=1), nn.ReLU()]
            channels, sides = _CHANNELS, [(side + 1) // 2 for side in sides]
        layers.append(nn.Flatten())
    else:
        layers += [nn.Linear(prod(shape), 128), nn.ReLU()]
        channels, sides = 128, []
    h = [nn.Linear(channels * prod(sides), UNITS), nn.SiLU()]
    return nn.Sequential(*layers, *h, nn.Linear(UNITS, UNITS))


class Classifier:
    """The last hidden layer of a classifier of the labels."""

    card = zoo.FeaturesCard(
        name="classifier",
        summary="last hidden layer of a small classifier of the training split; needs labels",
        paper="arXiv:1706.08500",
    )
    seed = 0

    @zoo.hookimpl
    def build(self, data: zoo.Data) -> nn.Module:
        """Return the untrained φ.

        Raises:
            zoo.Unsupported: for real-valued tables, whose classes say little about most columns, and with fewer than
                two classes.
        """
        _labels(data)
        if self.seed:
            torch.manual_seed(self.seed)
        return feature_network(data.spec.shape)

    @zoo.hookimpl
    def fit(self, network: nn.Module, data: zoo.Data) -> str:
        """Train φ; return its description with the classifier's accuracy on the validation split."""
        right = train_features(network, data, *_labels(data))
        return f"last hidden layer ({UNITS} units) of a classifier, {right:.1%} right on validation images"


class SecondClassifier(Classifier):
    """The same network from other initial weights, to see whether an order of models depends on them."""

    card = zoo.FeaturesCard(
        name="classifier-2",
        summary="the network of 'classifier', trained from other initial weights",
        paper="arXiv:1706.08500",
    )
    seed = 2


def _labels(data: zoo.Data) -> tuple[Tensor, Tensor]:
    """Return the labels of the training and validation split."""
    if data.spec.support == "real" or data.train_labels is None or data.valid_labels is None:
        raise zoo.Unsupported("needs images with labels")
    if len(data.train_labels.unique()) < 2:
        raise zoo.Unsupported("needs labels of at least two classes")
    return data.train_labels, data.valid_labels


def train_features(phi: nn.Module, data: zoo.Data, train_labels: Tensor, valid_labels: Tensor) -> float:
    """Train φ on the training split; return the classifier's accuracy on the validation split.

    All draws use torch's global random state.
    """
    *layers, standardise = phi.children()
    h = nn.Sequential(*layers)
    train, classes = data.standardise(data.train), train_labels.unique()
    classifier = nn.Sequential(h, nn.Linear(UNITS, len(classes)))
    _fit(classifier, data, train, torch.searchsorted(classes, train_labels))
    with torch.no_grad():
        compared = train if data.spec.support == "real" else zoo.bernoulli(train)
        units = torch.cat([h(block) for block in compared.split(_BLOCK)])
        σ = units.std(0)
        σ = σ.clamp(min=0.01 * float(σ.max()))  # a nearly constant unit must not dominate
        standardise.load_state_dict({"weight": (1 / σ).diag(), "bias": -units.mean(0) / σ})
        logits = torch.cat([classifier(block) for block in data.standardise(data.valid).split(_BLOCK)])
    return float((classes[logits.argmax(1)] == valid_labels).double().mean())


def _fit(classifier: nn.Module, data: zoo.Data, x: Tensor, classes: Tensor) -> None:
    """Minimise the cross-entropy; [0, 1] images appear twice in a batch, as they are and as newly drawn bits."""
    fewest, most = _STEPS
    steps = min(max(len(x) // _BATCH, fewest), most)
    optimiser = zoo.without_compiler(torch.optim.AdamW)(classifier.parameters(), lr=_LEARNING_RATE, fused=True)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.0, total_iters=steps)
    for _ in range(steps):
        rows = torch.randint(len(x), (_BATCH,))
        batch, target = x[rows], classes[rows]
        if data.spec.support == "unit":
            batch, target = torch.cat([batch, zoo.bernoulli(batch)]), target.repeat(2)
        optimiser.zero_grad()
        nn.functional.cross_entropy(classifier(batch), target).backward()
        optimiser.step()
        schedule.step()
