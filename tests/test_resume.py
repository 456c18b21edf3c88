"""A resumed training is bit for bit the training that was never stopped."""

from __future__ import annotations

import json
import random
import signal
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

import zoo
from zoo.api import Registry
from zoo.files.tensor_file import read, write
from zoo.runtime.interruption import Interrupted


class Stop:
    """An extension that sends a signal to this process when `loss` is called for the Nth training step."""

    card = zoo.ExtensionCard(name="stop", summary="stops a training")

    def __init__(self, at, number=signal.SIGINT):
        self.at, self.number, self.calls = at, number, 0

    @zoo.hookimpl(wrapper=True)
    def loss(self, model):
        if model.training:
            self.calls += 1
            if self.calls == self.at:
                signal.raise_signal(self.number)
        return (yield)


@pytest.fixture(scope="module")
def data():
    """50 training examples of 4 × 4 grey values, 10 for validation."""
    x = torch.rand(100, 4, 4, generator=torch.Generator().manual_seed(0))
    return zoo.Data.from_arrays(x.lerp(x.round(), 0.8), name="patterns")


def lines(folder):
    """The lines of the log, without the times."""
    found = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "seconds"} for line in found]


def stopped(registry, contestant, data, folder, at, **settings):
    """Train until the signal at that step, and return the registry's extension, which is then spent."""
    stop = Stop(at)
    registry.register(stop, "zoo.extensions")
    with pytest.raises(Interrupted) as stopped:
        registry.train(contestant, data, folder=folder, **settings)
    assert stopped.value.exit_code == 130
    return stop


CONTESTANTS = {
    "RBM with persistent chains, averaged weights, clipping, a linear schedule": "rbm:hidden=6,chains=5",
    "RBM with momentum": "rbm:hidden=6,chains=5,train.momentum=0.9",
    "RBM with contrastive divergence": "rbm:hidden=6,algorithm=cd",
    "AE with early stopping": "ae:latent_dim=2,hidden=[5],train.patience=2,train.learning_rate=0.3",
    "AE under a mixture of Gaussians": "ae@gmm:latent_dim=2,hidden=[5]",
    "AE with other moments of Adam": "ae:latent_dim=2,hidden=[5],train.betas=[0.5,0.9],train.epsilon=0.001",
    "VAE with a cosine schedule after a warm-up": "vae:latent_dim=2,hidden=[5],train.schedule=cosine,train.warmup=0.3",
    "VAE with averaged weights, early stopping, AdamW": (
        "vae:latent_dim=2,hidden=[5],train.average=0.9,train.patience=3,train.optimiser=adamw,train.weight_decay=0.1"
    ),
    "VAE of a convolutional form": "vae:network=conv,channels=[2],latent_dim=2,train.clip=0.1",
}


@pytest.mark.parametrize("contestant", CONTESTANTS.values(), ids=list(CONTESTANTS))
def test_a_training_that_is_stopped_again_and_again_ends_with_the_same_file_and_log(contestant, data, tmp_path):
    contestant = f"{contestant}{',' if ':' in contestant else ':'}train.batch_size=12"  # five steps in an epoch
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    Registry(extensions=False).train(contestant, data, folder=whole, epochs=4.4, save_every=1000)
    registry = Registry(extensions=True)
    stop = stopped(registry, contestant, data, parts, 2, epochs=4.4, save_every=1000)
    for after in (1, 3, 2, 7):  # in the middle of an epoch, at the step before its end, at its end, in a later one
        stop.at = stop.calls + after
        with pytest.raises(Interrupted):
            registry.resume(parts, data=data, save_every=1000)
    stop.at = None
    registry.resume(parts, data=data)
    assert json.loads((parts / "run.json").read_text())["resumed"] == [2, 3, 6, 8, 15]
    resumed, undisturbed = Registry().load(parts), Registry().load(whole)
    for key, value in undisturbed.module.state_dict().items():
        assert torch.equal(resumed.module.state_dict()[key], value), key
    assert lines(parts) == lines(whole)
    state, same = ((folder / "state.safetensors") for folder in (parts, whole))
    assert tensors(state).keys() == tensors(same).keys()
    assert all(torch.equal(value, tensors(same)[key]) for key, value in tensors(state).items())


def tensors(file):
    from zoo.files.tensor_file import read

    return read(file)[1]


class Dice(nn.Module):
    """Everything that a loss may keep or draw: buffers that come, grow and go, and three global generators."""

    def __init__(self, size):
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(size))
        self.register_buffer("chain", None, persistent=False)
        self.register_buffer("seen", torch.zeros(0), persistent=False)
        self.register_buffer("start", torch.ones(2), persistent=False)
        self.register_buffer("mask", torch.tensor([0.0, -torch.inf]))
        self.register_buffer("total", torch.zeros((), dtype=torch.float64))


class DicePlugin:
    card = zoo.Card(
        name="dice",
        summary="draws from everywhere",
        config=type("DiceConfig", (zoo.Config,), {}),
        trains_on="bits",
        latent=None,
        samples="means",
        training=zoo.Training(batch_size=8, learning_rate=0.1),
    )

    @zoo.hookimpl
    def build(self, data):
        model = Dice(data.size)
        model.shape = data.shape
        return model

    @zoo.hookimpl
    def loss(self, model, x, generator, step):
        draws = [torch.rand(()), torch.rand((), generator=generator), np.random.randn(), random.gauss(0, 1)]
        if model.training:
            model.chain = torch.rand(3) if model.chain is None else model.chain.roll(1) + draws[1]
            model.seen = torch.cat([model.seen, x[0, :1].flatten()])
            model.start = None if step.index > 3 else model.start
            model.total += draws[0].double()
        target = x.flatten(1).mean(0) + 0.1 * sum(draws)
        if model.chain is not None:
            target = target + model.chain.sum() + model.seen.sum() + model.total.float()
        return {"loss": (model.logits - target).square().sum(), "draw": torch.as_tensor(sum(draws))}

    @zoo.hookimpl
    def encode(self, model, x):
        raise zoo.Unsupported("it has no code")

    @zoo.hookimpl
    def decode(self, model, z):
        raise zoo.Unsupported("it has no code")

    @zoo.hookimpl
    def sample(self, model, n):
        return torch.sigmoid(model.logits.detach()).expand(n, -1).unflatten(1, model.shape)


@pytest.fixture
def dice():
    registry = Registry(extensions=True)
    registry.register(DicePlugin)
    return registry


@pytest.mark.parametrize("at", [1, 3, 6, 7, 8, 13])
def test_whatever_a_loss_keeps_in_buffers_and_draws_goes_on(dice, data, tmp_path, at):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    stop = stopped(dice, "dice", data, parts, at, epochs=3)
    torch.manual_seed(99), np.random.seed(99), random.seed(99)
    dice.resume(parts, data=data)
    stop.at = None
    dice.train("dice", data, epochs=3, folder=whole)
    assert (parts / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    assert lines(parts) == lines(whole)


def test_seconds_that_were_used_count_after_a_resume(dice, data, tmp_path):
    stop = stopped(dice, "dice", data, tmp_path / "run", 3, seconds=60)
    file = tmp_path / "run" / "state.safetensors"
    facts, found = read(file)
    del facts["format"]
    assert 0 < facts["state"]["budget"]["seconds"] < 60
    facts["state"]["budget"]["seconds"] = 59.95
    write(file, found, facts)
    reports = []
    dice.resume(tmp_path / "run", data=data, progress=reports.append)
    assert 59.95 <= reports[-1].seconds < 70  # the last report may be that of an epoch that ended just before
    assert stop.calls > 3


def test_a_run_is_resumed_with_nothing_typed_again(tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((40, 3)))
    monkeypatch.chdir(tmp_path)
    registry = Registry(extensions=True)
    stop = stopped(registry, "vae@gaussian:latent_dim=1", "x.npy:support=real", tmp_path / "run", 2, steps=4, seed=7)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    model = registry.resume("../run")
    assert stop.calls == 4
    assert (model.name, model.spec.support, model.protocol["seed"]) == ("vae@gaussian", "real", 7)
    assert model.protocol["budget"] == "4 steps"


def test_settings_given_in_python_are_not_forgotten(data, tmp_path):
    registry = Registry(extensions=True)
    stopped(registry, "vae:latent_dim=1", data, tmp_path / "run", 2, steps=4, hidden=[3], beta=2.0)
    assert registry.resume(tmp_path / "run", data=data).config.hidden == (3,)


def test_a_finished_run_is_exported_again_from_its_last_state(dice, data, tmp_path):
    dice.train("dice", data, epochs=2, folder=tmp_path / "run")
    expected = (tmp_path / "run" / "model.safetensors").read_bytes()
    log = (tmp_path / "run" / "metrics.jsonl").read_bytes()
    (tmp_path / "run" / "model.safetensors").unlink()
    dice.resume(tmp_path / "run", data=data)
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == expected
    assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == log


def test_a_run_without_a_state_begins_at_its_first_step(dice, data, tmp_path):
    dice.train("dice", data, epochs=2, folder=tmp_path / "run")
    expected = (tmp_path / "run" / "model.safetensors").read_bytes()
    for name in ("state.safetensors", "model.safetensors"):
        (tmp_path / "run" / name).unlink()
    dice.resume(tmp_path / "run", data=data)
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == expected
    assert len(lines(tmp_path / "run")) == 2
    assert json.loads((tmp_path / "run" / "run.json").read_text())["resumed"] == []


def test_a_model_with_a_fit_of_its_own_is_trained_again_from_its_first_step(data, tmp_path):
    calls = []

    class Mean(DicePlugin):
        card = zoo.Card(
            name="mean-of",
            summary="fits",
            config=DicePlugin.card.config,
            trains_on="grey",
            latent=None,
            samples="means",
        )
        loss = None

        @zoo.hookimpl
        def fit(self, model, train, budget):
            model.logits.data = torch.logit(train.flatten(1).mean(0))
            budget.step(model, loss=1.0)
            calls.append(budget.index)
            if len(calls) == 1:
                signal.raise_signal(signal.SIGTERM)

    registry = Registry(extensions=False)
    registry.register(Mean)
    with pytest.raises(Interrupted) as stopped:
        registry.train("mean-of", data, folder=tmp_path)
    assert stopped.value.exit_code == 143
    model = registry.resume(tmp_path, data=data)
    assert calls == [1, 1]
    assert torch.equal(model.module.logits, torch.logit(data.train.flatten(1).mean(0)))
    assert len(lines(tmp_path)) == 1
    assert json.loads((tmp_path / "run.json").read_text())["resumed"] == []


class MeanPlugin(DicePlugin):
    """The mean of the training split, by a `fit` that counts its calls."""

    card = zoo.Card(
        name="mean-of",
        summary="fits",
        config=DicePlugin.card.config,
        trains_on="grey",
        latent=None,
        samples="means",
        training=zoo.Training(batch_size=7),
    )
    loss = None
    calls: ClassVar[list] = []

    @zoo.hookimpl
    def fit(self, model, train, budget):
        model.logits.data = torch.logit(train.flatten(1).mean(0))
        budget.step(model, loss=1.0)
        self.calls.append(budget.batch_size)


@pytest.fixture
def mean():
    MeanPlugin.calls.clear()
    registry = Registry(extensions=False)
    registry.register(MeanPlugin)
    return registry


def test_a_finished_run_with_a_fit_of_its_own_is_returned_as_it_is(mean, data, tmp_path):
    trained = mean.train("mean-of", data, folder=tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    model = mean.resume(tmp_path, data=data)
    assert MeanPlugin.calls == [7]
    assert torch.equal(model.module.logits, trained.module.logits)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_fit_whose_model_was_not_written_is_run_again(mean, data, tmp_path):
    mean.train("mean-of", data, folder=tmp_path)
    (tmp_path / "model.safetensors").unlink()
    mean.resume(tmp_path, data=data)
    assert len(MeanPlugin.calls) == 2


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"steps": 3}, "budget 2 steps then, 3 steps now"),
        ({"contestant": "mean-of:train.batch_size=3"}, r"training\.batch_size 7 then, 3 now"),
    ],
)
def test_a_finished_fit_is_run_again_under_other_conditions_only_if_changes_are_allowed(
    mean, data, tmp_path, change, difference
):
    mean.train("mean-of", data, steps=2, folder=tmp_path)
    with pytest.raises(
        zoo.CheckpointError, match=f"is finished, under other conditions: {difference}.*start a new run"
    ):
        mean.resume(tmp_path, data=data, **change)
    mean.resume(tmp_path, data=data, allow_changes=True, **change)
    assert len(MeanPlugin.calls) == 2


def test_what_a_killed_writer_left_is_removed(dice, data, tmp_path):
    dice.train("dice", data, steps=1, folder=tmp_path)
    (tmp_path / ".state.safetensors.abc.part").write_bytes(b"half")
    dice.resume(tmp_path, data=data)
    assert not list(tmp_path.glob(".*"))


def test_the_last_states_stay_and_any_of_them_can_be_gone_on_from(dice, data, tmp_path):
    dice.train("dice", data, steps=9, folder=tmp_path, save_every=0, keep=3)
    found = sorted(path.name for path in tmp_path.glob("state*"))
    assert found == ["state-7.safetensors", "state-8.safetensors", "state.safetensors"]
    expected = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "state.safetensors").write_bytes(b"damaged")
    with pytest.raises(zoo.CheckpointError, match=r"damaged.*An earlier checkpoint: zoo train --resume .*state-8"):
        dice.resume(tmp_path, data=data)
    dice.resume(tmp_path / "state-7.safetensors", data=data, save_every=0, keep=1)
    assert (tmp_path / "model.safetensors").read_bytes() == expected
    assert [path.name for path in tmp_path.glob("state*")] == ["state.safetensors"]


def test_a_disk_without_second_names_keeps_earlier_states_too(dice, data, tmp_path, monkeypatch):
    def link(*names):
        raise PermissionError

    monkeypatch.setattr("os.link", link)
    dice.train("dice", data, steps=3, folder=tmp_path, save_every=0)
    assert dice.resume(tmp_path / "state-2.safetensors", data=data)


CHANGES = {
    "data": ({}, {"data": "other"}, r"data \w+ then, \w+ now"),
    "model": ({}, {"contestant": "vae:latent_dim=2,beta=3.0"}, r"config\.beta 1\.0 then, 3\.0 now"),
    "training": (
        {},
        {"contestant": "vae:latent_dim=2,train.learning_rate=0.5"},
        r"training\.learning_rate 0\.\d+ then, 0\.5 now",
    ),
    "budget": ({}, {"steps": 9}, "budget 5 steps then, 9 steps now"),
    "torch": ({"torch.__version__": "1.0"}, {}, r"versions\.torch \S+ then, 1\.0 now"),
    "threads": ({"torch.get_num_threads": lambda: 3}, {}, "threads 1 then, 3 now"),
    "processor": ({"torch.backends.cpu.get_cpu_capability": lambda: "Z80"}, {}, "processor .* then, Z80 now"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_has_changed_is_named_and_needs_permission(name, data, tmp_path, monkeypatch):
    world, arguments, message = CHANGES[name]
    registry = Registry(extensions=True)
    stop = stopped(registry, "vae:latent_dim=2", data, tmp_path / "run", 3, steps=5)
    for path, value in world.items():
        monkeypatch.setattr(path, value)
    if "data" in arguments:
        arguments = {"data": zoo.Data.from_arrays(1 - data.train, name="patterns")}
    arguments = {"data": data} | arguments
    before = (tmp_path / "run" / "metrics.jsonl").exists()
    with pytest.raises(
        zoo.CheckpointError, match=rf"state\.safetensors was saved under other conditions: .*{message}.*--all"
    ):
        registry.resume(tmp_path / "run", **arguments)
    assert (tmp_path / "run" / "metrics.jsonl").exists() == before
    model = registry.resume(tmp_path / "run", **arguments, allow_changes=True)
    assert stop.calls == arguments.get("steps", 5)
    assert any(word in change for change in model.protocol["changes"] for word in (name, "config"))
    again = registry.resume(tmp_path / "run", **arguments)
    assert again.protocol["changes"] == model.protocol["changes"]


def test_an_undisturbed_training_has_no_changes_in_its_protocol(dice, data, tmp_path):
    assert "changes" not in dice.train("dice", data, steps=1, folder=tmp_path).protocol


def test_lines_that_the_log_has_lost_are_a_change(dice, data, tmp_path):
    dice.train("dice", data, epochs=2, folder=tmp_path)
    (tmp_path / "metrics.jsonl").write_text("")
    with pytest.raises(zoo.CheckpointError, match=r"metrics\.jsonl \d+ bytes then, 0 now"):
        dice.resume(tmp_path, data=data)
    dice.resume(tmp_path, data=data, allow_changes=True)
    assert (tmp_path / "metrics.jsonl").read_text() == ""


def test_a_model_of_another_shape_is_refused_with_both_sides_even_with_permission(data, tmp_path):
    registry = Registry(extensions=True)
    stopped(registry, "vae:latent_dim=2,hidden=[3]", data, tmp_path / "run", 3, steps=5)
    with pytest.raises(zoo.CheckpointError, match=r"checkpoint does not match the model \(.*: \(3,.* instead of \(4,"):
        registry.resume(tmp_path / "run", contestant="vae:latent_dim=2,hidden=[4]", data=data, allow_changes=True)


def test_what_is_no_run_is_refused(dice, data, tmp_path):
    with pytest.raises(zoo.CheckpointError, match=r"is not a run folder: run\.json cannot be read \(No such file"):
        dice.resume(tmp_path)
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(zoo.CheckpointError, match="does not say what was trained"):
        dice.resume(tmp_path)
    dice.train("dice", data, steps=1, folder=tmp_path / "run")
    with pytest.raises(zoo.ConfigError, match="was trained on an array, which no file holds; give it again"):
        dice.resume(tmp_path / "run")
    with pytest.raises(zoo.CheckpointError, match="is a trained model, not a checkpoint; resume its folder"):
        dice.resume(tmp_path / "run" / "model.safetensors", data=data)
    with pytest.raises(zoo.CheckpointError, match="is a training checkpoint, not a model; finish the run"):
        dice.load(tmp_path / "run" / "state.safetensors")
    with pytest.raises(zoo.ConfigError, match=r"already contains a run; resume it with zoo\.resume\(\), or"):
        dice.train("dice", data, steps=1, folder=tmp_path / "run")
    (tmp_path / "run" / "model.safetensors").unlink()
    with pytest.raises(zoo.CheckpointError, match="does not contain a model; model.safetensors is written when"):
        dice.load(tmp_path / "run")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"save_every": -1}, "a finite number of seconds >= 0, got -1"),
        ({"save_every": float("nan")}, "a finite number of seconds >= 0, got nan"),
        ({"keep": 0}, "keep must be at least 1, got 0"),
    ],
)
def test_how_to_save_is_checked_before_any_work(dice, settings, message):
    with pytest.raises(zoo.ConfigError, match=message):
        dice.train("dice", "no-such-data.csv", **settings)


WRONG_FACTS = [
    *((key, None) for key in ("depends_on", "started", "resumed", "changes", "step", "state")),
    *(
        (key, value)
        for key in ("step", "resumed", "depends_on", "changes", "started", "state")
        for value in (0.5, [1.5])
    ),
    *((f"state.{key}", None) for key in ("module", "budget", "random", "optimiser")),
    *((f"state.budget.{key}", value) for key in ("steps", "log", "count") for value in (None, -1, 0.5, "7", True)),
    ("state.budget.seconds", "soon"),
    ("state.budget.losses", [3]),
]


@pytest.mark.parametrize(("key", "value"), WRONG_FACTS, ids=str)
def test_a_state_with_a_right_checksum_and_wrong_content_is_refused(data, tmp_path, key, value):
    zoo.train("vae:latent_dim=2,hidden=[5]", data, steps=2, folder=tmp_path)
    facts, tensors = read(tmp_path / "state.safetensors")
    *path, last = key.split(".")
    place = facts
    for name in path:
        place = place[name]
    place[last] = value
    write(tmp_path / "state.safetensors", tensors, facts)
    with pytest.raises(zoo.CheckpointError):
        zoo.resume(tmp_path, data=data, steps=3, allow_changes=True)


WRONG_RECORDS = [
    *((key, None) for key in ("contestant", "amount", "seed")),
    *(("contestant", {"text": "vae", "model": "vae", key: 3}) for key in ("model", "density", "config", "options")),
    *(("seed", value) for value in (-1, 0.5, "7")),
    *(("source", value) for value in (3, ["digits"])),
    *(("amount", value) for value in ({"value": "many", "unit": "steps"}, {"value": 1, "unit": "years"}, {"value": 1})),
]


@pytest.mark.parametrize(("key", "value"), WRONG_RECORDS, ids=str)
def test_a_run_json_of_wrong_content_is_refused(tmp_path, key, value):
    contestant = {"text": "vae", "model": "vae", "density": None, "config": {}, "training": {}, "options": {}}
    facts = {"contestant": contestant, "source": "digits", "amount": {"value": 1, "unit": "steps"}, "seed": 0}
    (tmp_path / "run.json").write_text(json.dumps(facts | {key: value}))
    with pytest.raises(zoo.CheckpointError, match="does not say what was trained"):
        zoo.resume(tmp_path)
