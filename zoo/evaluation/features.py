"""`FeatureSpace`: frozen features in which samples and test images are compared, the same for every contestant.

φ comes from a plugin of the group `zoo.features`: with labels, by default, from a small classifier of the training
split, otherwise from its principal components. It is computed once per data set, from the training split alone, and
cached in a file.

Reference: Heusel et al. (2017), arXiv:1706.08500, who use an Inception network; it was not trained on 8×8 digits.
"""

from __future__ import annotations

import contextlib
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from zoo.errors import PluginError, Unsupported
from zoo.files.tensor_file import hash_tensors, map_plain, write_plain
from zoo.plugins.registry import PluginRegistry
from zoo.runtime.randomness import scoped_randomness
from zoo.runtime.seeds import FEATURE_SEED, derive_seed

if TYPE_CHECKING:
    from zoo.data.dataset import Data
    from zoo.plugins.plugin import Plugin

DEFAULT = ("classifier", "components")  # the first that the data allow
GROUP = "zoo.features"
_VERSION = 3  # of this file; cache files of other versions are ignored
_BLOCK = 1000  # images per forward pass


class FeatureSpace:
    """φ: examples of shape (B, *shape) -> features of shape (B, d); frozen.

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


def feature_space(data: Data, folder: Path, name: str = "", registry: PluginRegistry | None = None) -> FeatureSpace:
    """Return a feature space of a data set: read from the folder, or computed and written there.

    It depends on the data and the plugin only: the random draws have a fixed seed, and the caller's random state is
    unchanged. Computing the default takes one thread about a second for the digits and half a minute for 50,000 images
    of 28×28. A damaged file is replaced.

    Args:
        data: all splits.
        folder: of the cache.
        name: of a plugin in `zoo.features`; "" takes the first of `classifier` and `components` that the data allow.
        registry: where plugins are looked up; None takes the installed ones.

    Raises:
        Unsupported: if the plugin has no features for these data.
        PluginError: if the features are not a finite matrix with a row per example.
        ZooError: if the file cannot be written.
    """
    registry = registry or PluginRegistry()
    *others, last = [name] if name else DEFAULT
    for each in others:
        with contextlib.suppress(Unsupported):
            return _space(data, folder, registry.plugin(each, GROUP))
    return _space(data, folder, registry.plugin(last, GROUP))


def _space(data: Data, folder: Path, plugin: Plugin) -> FeatureSpace:
    """Return the feature space of a plugin."""
    key = (
        f"{plugin.card.name}-{plugin.distribution}-{plugin.version}"
        if plugin.distribution != "genzoo"
        else plugin.card.name
    )
    path = folder / f"features-v{_VERSION}-{key}-{data.sha256[:16]}.safetensors"
    with scoped_randomness(derive_seed(FEATURE_SEED, "features")):
        found = _read(path, plugin.hooks.build(data=data))
        if found is None:
            phi = plugin.hooks.build(data=data)  # another one, since a damaged file may have been read in part
            found = FeatureSpace(phi, plugin.hooks.fit(network=phi, data=data))
            _check(found, data, plugin)
            write_plain(path, phi.state_dict(), {"description": found.description, "sha256": found.sha256})
    return found


def _check(space: FeatureSpace, data: Data, plugin: Plugin) -> None:
    few = data.standardise(data.train[:2])
    found = space(few)
    if found.shape[:1] != few.shape[:1] or found.ndim != 2 or not torch.isfinite(found).all():
        raise PluginError(
            f"The features of {plugin.source} must be finite and of shape (B, d), got shape {tuple(found.shape)} for "
            f"{len(few)} examples."
        )


def _read(path: Path, phi: nn.Module) -> FeatureSpace | None:
    """Read a cached feature space; None if the file is missing or damaged."""
    try:
        facts, tensors = map_plain(path)
        phi.load_state_dict(tensors)
        found, stored = FeatureSpace(phi, facts["description"]), facts["sha256"]
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, RuntimeError):
        return None
    return found if found.sha256 == stored else None
