"""`FeatureSpace`: 32 frozen features in which samples and test images are compared, the same for every contestant.

Where the training split has labels, φ is the last hidden layer of a small network that classifies it. Without labels,
and for real-valued tables, φ is the projection on the leading principal components of the training split. Either is
found once per data set, from the training split alone, and kept in a file.

Reference: Heusel et al. (2017), arXiv:1706.08500, who take an Inception network, which knows nothing of 8×8 digits.
"""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from zoo.evaluation.classifier import UNITS, feature_network, trained_features
from zoo.files.storage import write_atomically
from zoo.runtime.randomness import derive_seed, scoped_randomness
from zoo.runtime.seeds import FEATURE_SEED

if TYPE_CHECKING:
    from zoo.data.dataset import Data


_VERSION = 2  # of what is computed here and in `zoo.evaluation.classifier`: a file of another version is not read
_BLOCK = 1000  # images per forward pass


class FeatureSpace:
    """φ: examples of shape (B, *shape) -> features of shape (B, d), d at most 32; frozen.

    Args:
        phi: the network, in evaluation mode.
        description: what it is, one line for the protocol.
    """

    def __init__(self, phi: nn.Module, description: str) -> None:
        self.phi = phi.eval().requires_grad_(False)
        self.description = description

    def __call__(self, x: Tensor) -> Tensor:
        """φ(x) in float64, shape (B, d), for examples as they are compared: bits, grey values, or standardised."""
        with torch.no_grad():
            return torch.cat([self.phi(block).double() for block in x.split(_BLOCK)])

    @cached_property
    def sha256(self) -> str:
        """Hash of the description and the weights: two results with the same one were measured alike."""
        digest = hashlib.sha256(self.description.encode())
        for name, tensor in sorted(self.phi.state_dict().items()):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.contiguous().numpy().data)
        return digest.hexdigest()


def feature_space(data: Data, folder: Path) -> FeatureSpace:
    """The feature space of a data set: read from the folder, or found and written there.

    It is a function of the data alone: the random draws have a fixed seed, and the caller's random state is untouched.
    Finding it takes one thread about a second for the digits and half a minute for 50,000 images of 28×28. A file that
    is damaged is replaced.

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
            write_atomically(path, save(found.phi.state_dict(), {"zoo": json.dumps(facts)}))
    return found


def _labels(data: Data) -> tuple[Tensor, Tensor] | None:
    """The labels of the training and validation split, or None where φ is found without.

    There have to be two classes to tell apart; and of a real-valued table classes say little about most columns.
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
    """How many principal components there are, 32 at most."""
    return min(UNITS, data.spec.size, len(data.train))


def _projection(data: Data) -> nn.Sequential:
    """The affine map of the principal components, not filled in."""
    return nn.Sequential(nn.Flatten(), nn.Linear(data.spec.size, _components(data)))


def _read(path: Path, data: Data) -> FeatureSpace | None:
    """What a file holds, or None if there is none, or not a whole one."""
    phi = feature_network(data.spec.shape) if _labels(data) else _projection(data)
    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads(file.metadata()["zoo"])
            phi.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118  (not a mapping)
        found, stored = FeatureSpace(phi, facts["description"]), facts["sha256"]
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, RuntimeError):
        return None
    return found if found.sha256 == stored else None
