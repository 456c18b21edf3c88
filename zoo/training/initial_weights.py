"""`InitialWeights`: the model file of another run, with whose weights a training starts."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from torch import nn

from zoo.contract.data_spec import DataSpec
from zoo.errors import CheckpointError, ConfigError
from zoo.files.tensor_file import part, read
from zoo.models.checkpoint import load_model, model_file
from zoo.plugins.registry import PluginRegistry
from zoo.training.resolved import Resolved


@dataclass(frozen=True)
class InitialWeights:
    """The weights with which a training starts, in place of those of `build` and `initialise`.

    Attributes:
        path: absolute path of the model file.
        sha256: hash of the file; the file must not change until the training has started.
    """

    path: str
    sha256: str

    @classmethod
    def of(cls, run: Path, registry: PluginRegistry, resolved: Resolved, spec: DataSpec) -> Self:
        """Return the weights of a run folder or model file, after checking that they fit.

        Raises:
            ConfigError: for another model, other settings of the model besides those of its objective, data of another
                shape or support, or a model with its own `fit`.
            CheckpointError: if the file is missing or damaged, or does not fit its plugin.
        """
        plugin = resolved.plugin
        if plugin.implements("fit"):
            raise ConfigError(
                f"{plugin.card.name} defines its own fit(), which sets its weights; train it without the weights of "
                "another run."
            )
        file = model_file(run)
        found = cls(str(file.absolute()), _sha256(file))
        source = load_model(file, registry)
        if source.plugin.qualified != plugin.qualified:
            raise ConfigError(
                f"The weights must be those of {plugin.qualified}, got {source.plugin.qualified} in {file}; train "
                f"{source.plugin.card.name}, or give a run of {plugin.card.name}."
            )
        then, now = source.config.model_dump(), resolved.config.model_dump()
        then |= {"data": _described(source.spec)}
        now |= {"data": _described(spec)}
        wrong = [
            f"{key} {_text(then[key])} there, {_text(now[key])} here"
            for key in now
            if then[key] != now[key] and key not in plugin.card.objective
        ]
        if wrong:
            free = f", and of its objective ({', '.join(plugin.card.objective)})," if plugin.card.objective else ""
            raise ConfigError(
                f"The weights of {file} do not fit: {'; '.join(wrong)}. Only settings of the training and "
                f"sampling{free} may differ, and the data must have the same shape."
            )
        return found

    def load_into(self, module: nn.Module) -> None:
        """Copy the weights into a module; buffers that the model file omits keep their values.

        Raises:
            CheckpointError: if the file is missing, has changed, or does not fit the module.
        """
        file = Path(self.path)
        if _sha256(file) != self.sha256:
            raise CheckpointError(
                f"{file} has changed since the training was started with its weights; restore it, or start a new run."
            )
        try:
            module.load_state_dict(part(read(file)[1], "model."))
        except RuntimeError as error:
            raise CheckpointError(f"{file} does not fit the model ({' '.join(str(error).split())}).") from None


def _sha256(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise CheckpointError(f"Cannot read {file}: {error.strerror or error}.") from None


def _described(spec: DataSpec) -> str:
    return f"of shape {tuple(spec.shape)} and support {spec.support}"


def _text(value: Any) -> str:
    """Return a value as users type it: a tuple is a list."""
    return str(list(value) if isinstance(value, tuple) else value)
