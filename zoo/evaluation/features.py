"""`FeatureSpace`: 32 frozen features in which samples and test images are compared, the same for every contestant.

With labels, φ is the last hidden layer of a small classifier of the training split. Without labels, and for
real-valued tables, φ is the projection on the leading principal components of the training split. It is computed once
per data set, from the training split alone, and cached in a file.

Reference: Heusel et al. (2017), arXiv:1706.08500, who use an Inception network; it was not trained on 8×8 digits.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from zoo.evaluation.classifier import UNITS, feature_network, trained_features
from zoo.files.tensor_file import hash_tensors, map_plain, write_plain
from zoo.runtime.randomness import derive_seed, scoped_randomness
from zoo.runtime.seeds import FEATURE_SEED

if TYPE_CHECKING:
    from zoo.data.dataset import Data


_VERSION = 2  # of this file and `zoo.evaluation.classifier`; cache files of other versions are ignored
_BLOCK = 1000  # images per forward pass


class FeatureSpace:
    """φ: examples of shape (B, *shape) -> features of shape (B, d), d at most 32; frozen.

    Args:
        phi: the network, in evaluation mode.
        description: one line for the protocol.
    """

    def __init__(self, phi: nn.Module, description: str) -> None:
        self.phi = phi.eval().requires_grad_(False)
        self.description = description

    def __call__(self, x: Tensor) -> Tensor:
        """φ(x) in float64, shape (B, d); x are examples as compared: bits, grayscale values, or standardised values."""
        with torch.no_grad():
            return torch.cat([self.phi(block).double() for block in x.split(_BLOCK)])

    @cached_property
    def sha256(self) -> str:
        """Hash of the description and the weights; results with equal hashes were measured in the same space."""
        return hash_tensors(self.description, self.phi.state_dict())


def feature_space(data: Data, folder: Path) -> FeatureSpace:
    """Return the feature space of a data set: read from the folder, or computed and written there.

    It depends on the data only: the random draws have a fixed seed, and the caller's random state is unchanged.
    Computing it takes one thread about a second for the digits and half a minute for 50,000 images of 28×28. A damaged
    file is replaced.

    Raises:
        ZooError: if the file cannot be written.
    """
    path = folder / f"features-v{_VERSION}-{data.sha256[:16]}.safetensors"
    with scoped_randomness(derive_seed(FEATURE_SEED, "features")):
        found = _read(path, data)
        if found is None:
            labels = _labels(data)
            found = _classifier(data, *labels) if labels else _principal_components(data)
            facts = {"description": found.description, "sha256": found.sha256}
            write_plain(path, found.phi.state_dict(), facts)
    return found


def _labels(data: Data) -> tuple[Tensor, Tensor] | None:
    """Return the labels of the training and validation split, or None if φ is computed without labels.

    A classifier needs at least two classes, and the classes of a real-valued table say little about most columns.
    """
    if (
        data.spec.support == "real"
        or data.train_labels is None
        or data.valid_labels is None
        or len(data.train_labels.unique()) < 2
    ):
        return None
    return data.train_labels, data.valid_labels


def _classifier(data: Data, train_labels: Tensor, valid_labels: Tensor) -> FeatureSpace:
    phi, right = trained_features(data, train_labels, valid_labels)
    description = f"last hidden layer ({UNITS} units) of a classifier, {right:.1%} right on validation images"
    return FeatureSpace(phi, description)


def _principal_components(data: Data) -> FeatureSpace:
    """φ(x) = Vᵀ (x - m): the d leading eigenvectors V of the training split's covariance, m its mean."""
    x, d = data.standardise(data.train).flatten(1), _components(data)
    V = torch.pca_lowrank(x, q=min(d + 10, *x.shape), niter=4)[2][:, :d]
    phi = _projection(data)
    phi.load_state_dict({"1.weight": V.T, "1.bias": -x.mean(0) @ V})
    return FeatureSpace(phi, f"{d} leading principal components of the training split")


def _components(data: Data) -> int:
    """Return the number of principal components, at most 32."""
    return min(UNITS, data.spec.size, len(data.train))


def _projection(data: Data) -> nn.Sequential:
    """Return the affine map of the principal components, without its weights."""
    return nn.Sequential(nn.Flatten(), nn.Linear(data.spec.size, _components(data)))


def _read(path: Path, data: Data) -> FeatureSpace | None:
    """Read a cached feature space; None if the file is missing or damaged."""
    phi = feature_network(data.spec.shape) if _labels(data) else _projection(data)
    try:
        facts, tensors = map_plain(path)
        phi.load_state_dict(tensors)
        found, stored = FeatureSpace(phi, facts["description"]), facts["sha256"]
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, RuntimeError):
        return None
    return found if found.sha256 == stored else None
