"""`model.safetensors`: one self-describing file that is all that `zoo.load` needs, checked by its own SHA-256.

Tensors: `model.*` (the module's state), `density.*` (a latent density's), `data.offset` and `data.scale`
(standardisation). Metadata: one JSON text under the key `zoo`, since several keys come out in random byte order.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from zoo.data import DataSpec
from zoo.errors import CheckpointError
from zoo.model import Density, Model
from zoo.randomness import scoped_randomness
from zoo.storage import write_atomically

if TYPE_CHECKING:
    from zoo.registry import Registry

FORMAT = 1
FILE = "model.safetensors"


def save_model(model: Model, path: Path) -> Path:
    """Write a model atomically.

    Args:
        model: with its latent density, if it has one.
        path: a folder, or a file ending in `.safetensors`.

    Returns:
        The path of the file.
    """
    from zoo import __version__

    path = path if path.suffix == ".safetensors" else path / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {f"model.{key}": value for key, value in model.module.state_dict().items()}
    if model.density:
        tensors |= {f"density.{key}": value for key, value in model.density.state.items()}
    if model.standardisation:
        tensors |= dict(zip(("data.offset", "data.scale"), model.standardisation, strict=True))
    tensors = {key: value.detach().cpu().clone().contiguous() for key, value in tensors.items()}
    facts = {
        "format": FORMAT,
        "zoo": __version__,
        "plugin": _origin(model.plugin),
        "config": model.config.model_dump(mode="json"),
        "options": dict(model.options),
        "spec": {"shape": model.spec.shape, "support": model.spec.support},
        "density": {**_origin(model.density.plugin), "latent": model.density.latent} if model.density else None,
        "columns": model.columns,
        "protocol": dict(model.protocol),
    }
    facts["sha256"] = _sha256(tensors, facts)
    write_atomically(path, save(tensors, {"zoo": json.dumps(facts)}))
    return path


def load_model(path: Path, registry: Registry) -> Model:
    """Load what `save_model` wrote.

    Raises:
        CheckpointError: if it is missing, damaged, of another format, or does not fit its plugin.
        PluginError, ConfigError: if its plugin is not usable here.
    """
    file = _file(path)
    facts, tensors = read(file)
    plugin = registry.plugin(_name(facts["plugin"], registry, "zoo.models"))
    config = plugin.card.config.parse(facts["config"], f"{plugin.card.name} in {file}")
    spec = DataSpec(tuple(facts["spec"]["shape"]), facts["spec"]["support"])
    with scoped_randomness(0):  # whose draws are overwritten; the caller's stay as they were
        module = plugin.hooks.build(config=config, data=spec)
    _load_state(module, _part(tensors, "model."), file)
    density = None
    if facts["density"]:
        fitted = registry.plugin(_name(facts["density"], registry, "zoo.densities"), "zoo.densities")
        density = Density(fitted, _part(tensors, "density."), tuple(facts["density"]["latent"]))
    standard = _part(tensors, "data.")
    return Model(
        plugin=plugin,
        module=module.eval(),
        config=config,
        spec=spec,
        density=density,
        standardisation=(standard["offset"], standard["scale"]) if standard else None,
        options=facts["options"],
        columns=tuple(facts["columns"]),
        protocol=facts["protocol"],
    )


def read(file: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The metadata and tensors of a file, after checking its format and its SHA-256."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise CheckpointError(f"Cannot read {file}: {error.strerror or error}.") from None
    damaged = CheckpointError(f"{file} is damaged or no file of the zoo; restore it from a copy, or train again.")
    try:
        tensors = load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")], object_pairs_hook=_without_doubles)
        facts = json.loads(header["__metadata__"]["zoo"], object_pairs_hook=_without_doubles)
        found, stored = facts.get("format"), facts.pop("sha256", None)
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise damaged from None
    if found != FORMAT:
        raise CheckpointError(
            f"{file} has format {found!r}, and this zoo reads format {FORMAT}; update the older of the two."
        )
    if stored != _sha256(tensors, facts):
        raise damaged
    return facts, tensors


def _file(path: Path) -> Path:
    """The file that a path means: itself, or the model file in a folder."""
    if not path.is_dir() or (path / FILE).exists():
        return path / FILE if path.is_dir() else path
    found = sorted(path.glob("*.safetensors"))
    if len(found) == 1:
        return found[0]
    if found:
        raise CheckpointError(f"{path} holds several models; say which: {', '.join(map(str, found))}.")
    raise CheckpointError(f"{path} holds no model; a run folder has {FILE} once its training is done.")


def _origin(plugin: Any) -> dict[str, str]:
    return {"name": plugin.card.name, "distribution": plugin.distribution, "version": plugin.version}


def _name(origin: dict[str, str], registry: Registry, group: str) -> str:
    """The name under which the registry knows the plugin that a file was made with."""
    qualified = f"{origin['distribution']}/{origin['name']}"
    known = any(candidate.qualified == qualified for candidate in registry.candidates(group))
    return qualified if known else origin["name"]


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _load_state(module: Any, state: dict[str, Tensor], file: Path) -> None:
    """Load the module's state: names and shapes must be the same on both sides, or nothing is loaded."""
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
    module.load_state_dict(state)


def _sha256(tensors: dict[str, Tensor], facts: dict[str, Any]) -> str:
    """Hash over the metadata and every tensor's name, dtype, shape and bytes."""
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, refused if a key stands in it twice."""
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("duplicate key")
    return result
