"""`model.safetensors`: one self-describing file that is all that `zoo.load` needs, checked by its own SHA-256.

Tensors: `model.*` (the module's state), `density.*` (a latent density's), `data.offset` and `data.scale`
(standardisation). Metadata: one JSON text under the key `zoo`, since several keys come out in random byte order.
"""

from __future__ import annotations

import re
from pathlib import Path

import torch
from torch import Tensor, nn

from zoo.contract.config import Config
from zoo.contract.data_spec import DataSpec
from zoo.errors import CheckpointError, ZooError
from zoo.files.tensor_file import part, read
from zoo.models.density import FittedDensity
from zoo.models.facts import check_model_facts
from zoo.models.model import FILE, Model
from zoo.plugins.plugin import Plugin
from zoo.plugins.registry import PluginRegistry
from zoo.runtime.devices import find_device
from zoo.runtime.randomness import generator, scoped_randomness

_STATE = re.compile(r"state(-\d+)?\.safetensors")  # of a training; no model


def load_model(path: Path, registry: PluginRegistry, device: str = "cpu") -> Model:
    """Load what `zoo.Model.save` wrote, onto a device.

    Raises:
        CheckpointError: if it is missing, damaged, of another format, or does not fit its plugin.
        PluginError, ConfigError: if its plugin is not usable here, or there is no such device.
    """
    file, place = _file(path), find_device(device)
    facts, tensors = read(file)
    if "state" in facts:
        raise CheckpointError(f"{file} is the state of a training; make its model: zoo train --resume {file.parent}.")
    check_model_facts(facts, file)
    plugin = registry.plugin(_name(facts["plugin"], registry, "zoo.models"))
    config = plugin.card.config.parse(facts["config"], f"{plugin.card.name} in {file}")
    spec = DataSpec(tuple(facts["spec"]["shape"]), facts["spec"]["support"])
    module = _restored(plugin, config, spec, part(tensors, "model."), file)
    density = None
    if facts["density"]:
        fitted = registry.plugin(_name(facts["density"], registry, "zoo.densities"), "zoo.densities")
        density = FittedDensity(fitted, part(tensors, "density."), tuple(facts["density"]["latent"]))
        _check_density(density, file)
    return Model(
        plugin=plugin,
        module=module.eval().to(place),
        config=config,
        spec=spec,
        density=density,
        standardisation=_standardisation(part(tensors, "data."), spec, file),
        options=facts["options"],
        columns=tuple(facts["columns"]),
        protocol=facts["protocol"],
    )


def _file(path: Path) -> Path:
    """The file that a path means: itself, or the model file in a folder."""
    try:
        path.stat()
    except OSError as error:
        raise CheckpointError(f"Cannot read {path}: {error.strerror or error}.") from None
    if not path.is_dir() or (path / FILE).exists():
        return path / FILE if path.is_dir() else path
    found = sorted(file for file in path.glob("*.safetensors") if not _STATE.fullmatch(file.name))
    if len(found) == 1:
        return found[0]
    if found:
        raise CheckpointError(f"{path} holds several models; say which: {', '.join(map(str, found))}.")
    raise CheckpointError(f"{path} holds no model; a run has {FILE} once it is done: zoo train --resume {path}.")


def _name(origin: dict[str, str], registry: PluginRegistry, group: str) -> str:
    """The name under which the registry knows the plugin that a file was made with."""
    qualified = f"{origin['distribution']}/{origin['name']}"
    known = any(candidate.qualified == qualified for candidate in registry.candidates(group))
    return qualified if known else origin["name"]


def _restored(plugin: Plugin, config: Config, spec: DataSpec, state: dict[str, Tensor], file: Path) -> nn.Module:
    """Build a file's module and load its state; first its shapes alone, so that no word of the file takes memory."""
    try:
        with scoped_randomness(0):  # whose draws are overwritten; the caller's stay as they were
            if (outline := _outline(plugin, config, spec)) is not None:
                _check_state(outline, state, file)
            module: nn.Module = plugin.hooks.build(config=config, data=spec)
    except ZooError:
        raise
    except Exception as error:  # whatever torch says to sides that do not go together
        raise CheckpointError(
            f"{file} does not fit the installed plugin ({' '.join(str(error).split())}); install the version that it "
            "was made with."
        ) from error
    _check_state(module, state, file)
    module.load_state_dict(state)
    return module


def _outline(plugin: Plugin, config: Config, spec: DataSpec) -> nn.Module | None:
    """The module with shapes and no values; None for a plugin that computes with values while it builds."""
    try:
        with torch.device("meta"):
            module: nn.Module = plugin.hooks.build(config=config, data=spec)
            return module
    except Exception:  # whatever torch says of values that are not there
        return None


def _standardisation(found: dict[str, Tensor], spec: DataSpec, file: Path) -> tuple[Tensor, Tensor] | None:
    """Offset and scale of real-valued data, with which samples are finite; None if there are none."""
    if not found:
        return None
    if {name: tuple(value.shape) for name, value in found.items()} != dict.fromkeys(("offset", "scale"), spec.shape):
        raise CheckpointError(f"{file} is no model file: data.offset and data.scale must have the shape {spec.shape}.")
    offset, scale = found["offset"], found["scale"]
    if offset.dtype != scale.dtype or offset.dtype != torch.float32:
        raise CheckpointError(f"{file} is no model file: data.offset and data.scale must be of 32-bit numbers.")
    if not (offset.isfinite() & scale.isfinite() & (scale > 0)).all():
        raise CheckpointError(
            f"{file} is no model file: data.offset must be finite, and data.scale finite and above 0."
        )
    return offset, scale


def _check_density(density: FittedDensity, file: Path) -> None:
    """One code is drawn: what a density was fitted to lies open in the file, and may be anything."""
    try:
        density.sample(1, generator(0, "a code of a file"))
    except Exception as error:  # whatever its plugin says of a state that is not its own
        raise CheckpointError(
            f"{file} does not fit the installed plugin {density.plugin.qualified} ({' '.join(str(error).split())}); "
            "install the version that it was made with."
        ) from error


def _check_state(module: nn.Module, state: dict[str, Tensor], file: Path) -> None:
    """Names and shapes must be the same on both sides, or nothing is loaded."""
    expected = {key: tuple(value.shape) for key, value in module.state_dict().items()}
    found = {key: tuple(value.shape) for key, value in state.items()}
    if expected != found:
        wrong = sorted(key for key in expected.keys() | found.keys() if expected.get(key) != found.get(key))
        sides = (
            f"{key}: the plugin has {expected.get(key, 'none')}, the file {found.get(key, 'none')}" for key in wrong
        )
        raise CheckpointError(
            f"{file} does not fit the installed plugin ({'; '.join(sides)}); install the version that it was made with."
        )
