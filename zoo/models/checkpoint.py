"""`model.safetensors`: one self-contained file per model, verified by its own SHA-256.

Tensors: `model.*` (the module's state dict), `density.*` (that of a latent density), `data.offset` and `data.scale`
(standardization). Metadata: one JSON text under the key `zoo`, because safetensors writes several keys in random order.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zoo.contract.config import Config
from zoo.contract.data_spec import DataSpec
from zoo.contract.hookspecs import MODELS
from zoo.data.table import Table
from zoo.errors import CheckpointError, ConfigError, ZooError, clause
from zoo.files.names import is_state
from zoo.files.tensor_file import part, read
from zoo.models.density import DensityPerClass, FittedDensity
from zoo.models.facts import check_model_facts
from zoo.models.model import FILE, Model
from zoo.plugins.plugin import Plugin
from zoo.plugins.registry import PluginRegistry
from zoo.runtime.devices import find_device, suited
from zoo.runtime.randomness import generator, scoped_randomness


def load_model(path: Path, registry: PluginRegistry, device: str = "cpu") -> Model:
    """Load a model file written by `zoo.Model.save` onto a device.

    Raises:
        CheckpointError: if the file is missing, damaged, of another format, or does not fit its plugin.
        PluginError, ConfigError: if the plugin cannot be used here, or the device does not exist.
    """
    file, place = model_file(path), find_device(device)
    facts, tensors = read(file)
    if "state" in facts:
        raise CheckpointError(
            f"{file} is a training checkpoint, not a model; finish the run: zoo train --resume {file.parent}."
        )
    spec = check_model_facts(facts, file).spec.to_spec()
    table = _table(facts.get("table"), spec, file)
    if table:
        spec = replace(spec, blocks=table.blocks)
    group = _group(facts["plugin"], registry)
    plugin = _plugin(facts["plugin"], registry, group, file)
    config = plugin.card.config.parse(facts["config"], f"{plugin.card.name} in {file}")
    if plugin.card.is_conditional_with(config) != bool(spec.class_shares):
        raise CheckpointError(f"{file} is not a valid model file: only a conditional model has spec.class_shares.")
    module = _restored(plugin, config, spec, part(tensors, "model."), file)
    density: FittedDensity | DensityPerClass | None = None
    if facts["density"]:
        fitted = _plugin(facts["density"], registry, "zoo.densities", file)
        density = _density(fitted, part(tensors, "density."), facts["density"], file)
    return Model(
        plugin=plugin,
        module=module.eval().to(suited(place, float64=plugin.implements("fit"))),
        config=config,
        spec=spec,
        density=density,
        standardisation=_standardisation(part(tensors, "data."), spec, file),
        options=facts["options"],
        columns=tuple(facts["columns"]),
        table=table,
        protocol=facts["protocol"],
    )


def model_file(path: Path) -> Path:
    """Return the model file at a path: the path itself, or the model file in that folder.

    Raises:
        CheckpointError: if there is none, or more than one.
    """
    try:
        path.stat()
    except OSError as error:
        raise CheckpointError(f"Cannot read {path}: {error.strerror or error}.") from None
    if not path.is_dir() or (path / FILE).exists():
        return path / FILE if path.is_dir() else path
    found = _models_in(path) or _models_in(path, "*/seed-*/")  # of a run; of a comparison
    if len(found) == 1:
        return found[0]
    if found:
        raise CheckpointError(f"{path} contains several models; choose one of: {', '.join(map(str, found))}.")
    raise CheckpointError(
        f"{path} does not contain a model; {FILE} is written when the run finishes: zoo train --resume {path}."
    )


def _models_in(path: Path, folders: str = "") -> list[Path]:
    return sorted(file for file in path.glob(f"{folders}*.safetensors") if not is_state(file))


def _group(origin: dict[str, str], registry: PluginRegistry) -> str:
    """Return the group of the plugin that a model file was written with: `zoo.models`, or `zoo.controls`."""
    if origin["distribution"]:
        return next((group for group in MODELS if _qualified(origin, registry, group)), MODELS[0])
    return next((group for group in MODELS if registry.is_registered(origin["name"], group)), MODELS[0])


def _plugin(origin: dict[str, str], registry: PluginRegistry, group: str, file: Path) -> Plugin:
    """Return the plugin that a file was written with, or one of the same name.

    Raises:
        ConfigError: if there is none; the message names the distribution that the file needs.
    """
    try:
        return registry.plugin(_qualified(origin, registry, group) or origin["name"], group)
    except ConfigError as error:
        needs = f" {file} needs {origin['distribution']} {origin['version']}." if origin["distribution"] else ""
        raise ConfigError(f"{error}{needs}") from None


def _qualified(origin: dict[str, str], registry: PluginRegistry, group: str) -> str:
    """Return the qualified name of the plugin that a file was written with, or "" if it is not installed."""
    qualified = f"{origin['distribution']}/{origin['name']}"
    return qualified if any(candidate.qualified == qualified for candidate in registry.candidates(group)) else ""


def _restored(plugin: Plugin, config: Config, spec: DataSpec, state: dict[str, Tensor], file: Path) -> nn.Module:
    """Build a file's module and load its state dict; check the shapes first, before the file can claim memory."""
    try:
        with scoped_randomness(0):  # the draws are overwritten; the caller's random state is kept
            if (outline := _outline(plugin, config, spec)) is not None:
                _check_state(outline, state, file)
            module: nn.Module = plugin.hooks.build(config=config, data=spec)
    except ZooError:
        raise
    except Exception as error:  # torch raises many types for shapes that do not match
        raise CheckpointError(
            f"{file} does not fit the installed plugin ({' '.join(str(error).split())}); install the version that it "
            "was written with."
        ) from error
    _check_state(module, state, file)
    module.load_state_dict(state)
    return module


def _outline(plugin: Plugin, config: Config, spec: DataSpec) -> nn.Module | None:
    """Return the module with shapes only; None if the plugin computes with values while it builds."""
    try:
        with torch.device("meta"):
            module: nn.Module = plugin.hooks.build(config=config, data=spec)
            return module
    except Exception:  # torch raises many types for values of meta tensors
        return None


def _standardisation(found: dict[str, Tensor], spec: DataSpec, file: Path) -> tuple[Tensor, Tensor] | None:
    """Return offset and scale of real-valued data after checking them; None if the file has neither."""
    if not found:
        return None
    if {name: tuple(value.shape) for name, value in found.items()} != dict.fromkeys(("offset", "scale"), spec.shape):
        raise CheckpointError(
            f"{file} is not a valid model file: data.offset and data.scale must have the shape {spec.shape}."
        )
    offset, scale = found["offset"], found["scale"]
    if offset.dtype != scale.dtype or offset.dtype not in (torch.float32, torch.float64):
        raise CheckpointError(
            f"{file} is not a valid model file: data.offset and data.scale must be float32 or float64."
        )
    if not (offset.isfinite() & scale.isfinite() & (scale >= 0)).all():
        raise CheckpointError(
            f"{file} is not a valid model file: data.offset must be finite, and data.scale finite and >= 0."
        )
    return offset, scale


def _table(facts: Any, spec: DataSpec, file: Path) -> Table | None:
    """Return the columns of a file's mixed table after checking them; None if the file has none."""
    if not facts:
        return None
    try:
        table = Table.of_facts(facts)
    except ValueError as error:
        raise CheckpointError(f"{file} is not a valid model file: its table is invalid: {clause(error)}.") from None
    if spec.support != "real" or spec.shape != (table.size,):
        raise CheckpointError(
            f"{file} is not a valid model file: its table has {table.size} values, and its examples the shape "
            f"{spec.shape}."
        )
    return table


def _density(
    plugin: Plugin, state: dict[str, Tensor], facts: dict[str, Any], file: Path
) -> FittedDensity | DensityPerClass:
    """Return a file's density after drawing one code, to check that the plugin accepts the tensors of the file."""
    density: FittedDensity | DensityPerClass
    try:
        if facts.get("per_class"):
            density = DensityPerClass.of_state(plugin, state, tuple(facts["latent"]))
        else:
            density = FittedDensity(plugin, state, tuple(facts["latent"]))
        density.sample(1, generator(0, "a code of a file"))
    except Exception as error:  # a plugin may raise anything for tensors that are not its own
        raise CheckpointError(
            f"{file} does not fit the installed plugin {plugin.qualified} ({' '.join(str(error).split())}); "
            "install the version that it was written with."
        ) from error
    return density


def _check_state(module: nn.Module, state: dict[str, Tensor], file: Path) -> None:
    """Check that the names and shapes of a state dict are those of the module."""
    expected = {key: tuple(value.shape) for key, value in module.state_dict().items()}
    found = {key: tuple(value.shape) for key, value in state.items()}
    if expected != found:
        wrong = sorted(key for key in expected.keys() | found.keys() if expected.get(key) != found.get(key))
        sides = (
            f"{key}: the plugin has {expected.get(key, 'none')}, the file {found.get(key, 'none')}" for key in wrong
        )
        raise CheckpointError(
            f"{file} does not fit the installed plugin ({'; '.join(sides)}); install the version that it was "
            "written with."
        )
