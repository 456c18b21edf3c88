"""Claims about files: a loaded model equals the saved one, and a resumed training equals an uninterrupted one."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from zoo.conformance.claim import DoesNotApply, Failure, Skip, case_claim, plugin_claim
from zoo.conformance.subject import FEW, Case, Subject, of_one_class
from zoo.contract.config import Config
from zoo.contract.search import extremes, space_of
from zoo.errors import CheckpointError, ConfigError, Unsupported
from zoo.models.checkpoint import load_model
from zoo.models.model import Model
from zoo.plugins.registry import PluginRegistry
from zoo.runtime.threads import ENVIRONMENT
from zoo.training.checkpoints import CheckpointPolicy, earlier_states

_SECONDS = 300  # time limit of a new process, which must import torch
_APART = 3  # steps between the checkpoints that the training is resumed from


@case_claim()
def a_loaded_model_gives_the_same(case: Case) -> None:
    """A model loaded from its safetensors file, without pickle, gives the same codes, samples and likelihoods."""
    x, bits = case.data.train[:8], case.bits[:8]
    with tempfile.TemporaryDirectory() as folder:
        loaded = of_one_class(load_model(case.trained.save(Path(folder)), case.registry))
    _must_agree(outputs(loaded, x, bits), outputs(case.trained, x, bits), "the loaded model")


@plugin_claim
def a_fresh_process_gives_the_same(subject: Subject) -> None:
    """A model loaded in a new process gives bit-identical codes, samples and likelihoods."""
    if not subject.plugin.distribution:
        raise Skip("it is registered in this process only, so another process cannot load it")
    with tempfile.TemporaryDirectory() as temporary:
        folders = [Path(temporary) / str(number) for number in range(len(subject.cases))]
        for folder, case in zip(folders, subject.cases, strict=True):
            case.budgets.clear()
            case.trained.save(folder)
            save_file({"x": case.data.train[:8].clone(), "bits": case.bits[:8].clone()}, folder / "inputs")
        _answer_elsewhere(folders)
        for folder, case in zip(folders, subject.cases, strict=True):
            wanted = outputs(case.trained, case.data.train[:8], case.bits[:8])
            who = f"on {case.circumstances}: the model in a new process"
            _must_agree(load_file(folder / "outputs"), wanted, who)


@case_claim()
def the_objective_leaves_the_model_as_it_is(case: Case) -> None:
    """With other values of the settings that the card names as `objective`, the same weights are the same model."""
    names = case.plugin.card.objective
    if not names:
        raise DoesNotApply("its card names no settings of the objective")
    x, bits = case.data.train[:8], case.bits[:8]
    wanted = outputs(case.trained, x, bits)
    for name in names:
        for config in _others(case.config, name):
            module = replace(case, config=config).build().eval()
            module.load_state_dict(case.trained.module.state_dict())
            who = f"the model with {name} = {getattr(config, name)!r}"
            _must_agree(outputs(replace(case.trained, module=module, config=config), x, bits), wanted, who)


@case_claim()
def a_stopped_training_goes_on(case: Case) -> None:
    """Training resumed from a checkpoint in a new module ends with weights bit-identical to uninterrupted training."""
    if case.plugin.implements("fit"):
        raise DoesNotApply("it has its own fit, which cannot be resumed")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        wanted = case.train(0, FEW, folder, CheckpointPolicy(every=0, keep=FEW)).module.state_dict()
        for state in earlier_states(folder)[::_APART]:  # latest first: leftovers in the plugin are then wrong
            if wrong := wrong_after(resumed(case, folder, state), wanted):
                raise Failure(
                    f"{', '.join(wrong[:3])} must be the same after resuming from {state.stem}; what a loss keeps "
                    "between steps must be a buffer (persistent=False keeps it out of the model's file)"
                )


def outputs(model: Model, x: Tensor, bits: Tensor) -> dict[str, Tensor]:
    """Return a model's results for examples x and their bits, by hook; unsupported hooks are left out."""
    calls: dict[str, Callable[[], Tensor]] = {
        "encode": lambda: model.encode(x),
        "draws of codes": lambda: model.encode(x, seed=0),
        "decode": lambda: model.reconstruct(x),
        "sample": lambda: model.sample(8, seed=0),
        "log_prob": lambda: torch.stack([bound.nats for bound in model.log_prob(bits)]),
    }
    answers = {}
    for hook, call in calls.items():
        try:
            answers[hook] = call().clone().contiguous()
        except Unsupported:
            continue
    return answers


def answer(folders: list[str]) -> None:
    """Load the model of each folder and write its results into the folder; runs in the new process."""
    for folder in map(Path, folders):
        # copied: the alignment of a memory-mapped tensor varies, and products would round differently
        inputs = {name: value.clone() for name, value in load_file(folder / "inputs").items()}
        model = of_one_class(load_model(folder / "model.safetensors", PluginRegistry(extensions=False)))
        save_file(outputs(model, inputs["x"], inputs["bits"]), folder / "outputs")


def _others(config: Config, name: str) -> Iterator[Config]:
    """Return the configs with another value of a setting, the ends of a range or each choice, that are valid alone."""
    for value in extremes(space_of(config).get(name, ())):
        if value != getattr(config, name):
            with contextlib.suppress(ConfigError):
                yield type(config).parse(config.model_dump() | {name: value}, f"other values of {name}")


def _answer_elsewhere(folders: list[Path]) -> None:
    code = "import sys; from zoo.conformance.saving import answer; answer(sys.argv[1:])"
    environment = os.environ | ENVIRONMENT | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", code, *map(str, folders)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False)
    if done.returncode:
        raise Failure(f"a new process must load the model, got\n{done.stderr.strip()}")


def resumed(case: Case, folder: Path, state: Path, steps: int = FEW) -> dict[str, Tensor]:
    """Return the weights and saved buffers at the end of a training resumed from a checkpoint."""
    try:
        return dict(case.train(0, steps, folder, CheckpointPolicy(keep=steps, start=state)).module.state_dict())
    except CheckpointError as error:
        raise Failure(
            f"a new module must load the checkpoint: register all buffers in build, as None if set later ({error})"
        ) from None


def wrong_after(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> list[str]:
    """Return the names of the weights that differ from those of an uninterrupted training."""
    return [name for name in wanted | found if not _same(found.get(name), wanted.get(name))]


def _same(found: Tensor | None, wanted: Tensor | None) -> bool:
    return found is not None and wanted is not None and torch.equal(found, wanted)


def _must_agree(found: dict[str, Tensor], wanted: dict[str, Tensor], who: str) -> None:
    if not wanted:
        raise DoesNotApply("it does not support any hook whose results could be compared")
    for hook, value in wanted.items():
        if hook not in found or not torch.equal(found[hook], value):
            raise Failure(
                f"{who} must give the same {hook}; everything that it learned must be in parameters and buffers"
            )
