"""A training that starts with the weights of another run."""

from __future__ import annotations

import hashlib
import json

import pytest
import torch

import zoo
from tests.mutants import CoinsPlugin
from tests.test_resume import Stop
from zoo.api import Registry
from zoo.cli.main import run
from zoo.files.tensor_file import read
from zoo.runtime.interruption import Interrupted

STILL = "train.learning_rate=1e-300"  # 0 in single precision: no step moves a weight
SMALL = {"rbm": "hidden=6,chains=5", "ae": "latent_dim=2,hidden=[5]", "vae": "latent_dim=2,hidden=[5]"}


@pytest.fixture(scope="module")
def data():
    """50 training examples of 4 × 4 grey values."""
    x = torch.rand(100, 4, 4, generator=torch.Generator().manual_seed(0))
    return zoo.Data.from_arrays(x.lerp(x.round(), 0.8), name="patterns")


def same(one, other):
    assert one.keys() == other.keys()
    return all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("settings", ["", ",train.average=0.9", ",train.optimiser=sgd", ",train.patience=1"])
@pytest.mark.parametrize("name", list(SMALL))
def test_steps_of_size_zero_leave_the_weights_as_they_were(name, settings, data, tmp_path):
    source = zoo.train(f"{name}:{SMALL[name]}", data, steps=7, seed=1, folder=tmp_path / "source")
    model = zoo.train(
        f"{name}:{SMALL[name]},{STILL}{settings}",
        data,
        steps=5,
        seed=2,
        weights=tmp_path / "source",
        folder=tmp_path / "run",
    )
    assert same(model.module.state_dict(), source.module.state_dict())
    file = tmp_path / "source" / "model.safetensors"
    provenance = {"path": str(file), "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
    assert model.protocol["weights"] == zoo.load(tmp_path / "run").protocol["weights"] == provenance
    assert json.loads((tmp_path / "run" / "run.json").read_text())["weights"] == provenance
    fresh = zoo.train(f"{name}:{SMALL[name]},{STILL}{settings}", data, steps=5, seed=2)
    assert not same(fresh.module.state_dict(), source.module.state_dict())
    assert "weights" not in fresh.protocol


def test_one_step_goes_from_the_weights_along_the_gradient(data, tmp_path):
    """Plain SGD on all 50 examples: w − η ∂/∂w of the mean squared error."""
    source = zoo.train("ae:latent_dim=2,hidden=[5]", data, steps=7, seed=1, folder=tmp_path)
    loss = source.module.train().squared_error(data.train, data.train).mean()
    weights = dict(source.module.named_parameters())
    slopes = torch.autograd.grad(loss, list(weights.values()))
    for average in (0.0, 0.9):  # the average starts with the first step's weights, not with those before it
        settings = f"train.optimiser=sgd,train.learning_rate=0.1,train.batch_size=50,train.average={average}"
        model = zoo.train(f"ae:latent_dim=2,hidden=[5],{settings}", data, steps=1, seed=2, weights=tmp_path)
        for (key, weight), slope in zip(weights.items(), slopes, strict=True):
            torch.testing.assert_close(dict(model.module.named_parameters())[key], weight - 0.1 * slope)


def test_what_the_file_omits_is_that_of_initialise(data, tmp_path):
    """The RBM's offsets are not in its file; those of visible units start at the mean of the training split."""
    source = zoo.train("rbm:hidden=6", data, steps=7, seed=1, folder=tmp_path)
    seen = []

    class Watch:
        card = zoo.ExtensionCard(name="watch", summary="records the model before its first step")

        @zoo.hookimpl(wrapper=True)
        def loss(self, model):
            if not seen:
                seen.append({key: value.clone() for key, value in [*model.named_parameters(), *model.named_buffers()]})
            return (yield)

    registry = Registry()
    registry.register(Watch(), "zoo.extensions")
    registry.train("rbm:hidden=6", data, steps=1, seed=2, weights=tmp_path)
    torch.testing.assert_close(seen[0]["mu"], data.train.flatten(1).mean(0))
    assert torch.equal(seen[0]["W"], source.module.W)
    assert torch.equal(seen[0]["b"], source.module.b)


def test_the_density_of_the_source_is_not_needed(data, tmp_path):
    source = zoo.train("ae@gmm:latent_dim=2,hidden=[5]", data, steps=7, seed=1, folder=tmp_path)
    model = zoo.train(
        f"ae@gaussian:latent_dim=2,hidden=[5],{STILL}", data, steps=1, weights=tmp_path / "model.safetensors"
    )
    assert same(model.module.state_dict(), source.module.state_dict())
    assert model.name == "ae@gaussian"


@pytest.mark.parametrize("name", list(SMALL))
def test_an_interrupted_run_resumes_without_the_source(name, data, tmp_path):
    contestant = f"{name}:{SMALL[name]},train.average=0.9"
    zoo.train(f"{name}:{SMALL[name]}", data, steps=7, seed=1, folder=tmp_path / "source")
    whole = zoo.train(contestant, data, steps=9, weights=tmp_path / "source", folder=tmp_path / "whole")
    registry = Registry()
    registry.register(Stop(5), "zoo.extensions")
    with pytest.raises(Interrupted):
        registry.train(contestant, data, steps=9, weights=tmp_path / "source", folder=tmp_path / "run")
    (tmp_path / "source").rename(tmp_path / "elsewhere")
    resumed = registry.resume(tmp_path / "run", data=data)
    assert same(resumed.module.state_dict(), whole.module.state_dict())
    assert resumed.protocol["weights"] == whole.protocol["weights"]
    facts = read(tmp_path / "run" / "state.safetensors")[0]
    assert facts["depends_on"]["weights"] == whole.protocol["weights"]["sha256"]


def test_a_run_without_a_checkpoint_starts_again_with_the_weights_which_must_be_the_same(data, tmp_path):
    zoo.train("ae:latent_dim=2", data, steps=3, seed=1, folder=tmp_path / "source")
    whole = zoo.train("ae:latent_dim=2", data, steps=3, weights=tmp_path / "source", folder=tmp_path / "run")
    for file in ("state.safetensors", "model.safetensors"):
        (tmp_path / "run" / file).unlink()
    resumed = zoo.resume(tmp_path / "run", data=data)
    assert same(resumed.module.state_dict(), whole.module.state_dict())
    (tmp_path / "run" / "state.safetensors").unlink()
    zoo.train("ae:latent_dim=2", data, steps=4, seed=1, folder=tmp_path / "other")
    (tmp_path / "other" / "model.safetensors").rename(tmp_path / "source" / "model.safetensors")
    with pytest.raises(zoo.CheckpointError, match="model.safetensors has changed since the training was started"):
        zoo.resume(tmp_path / "run", data=data)
    (tmp_path / "source" / "model.safetensors").unlink()
    with pytest.raises(zoo.CheckpointError, match=r"Cannot read .*model.safetensors: No such file"):
        zoo.resume(tmp_path / "run", data=data)


@pytest.mark.parametrize(
    ("contestant", "shape", "message"),
    [
        (
            "vae:latent_dim=2",
            (4, 4),
            r"must be those of zoo-vae/vae, got zoo-ae/ae in .*; train ae, or give a run of vae",
        ),
        (
            "ae:latent_dim=3",
            (4, 4),
            r"latent_dim 2 there, 3 here\. Only settings of .*its objective \(noise\), may differ",
        ),
        ("ae:latent_dim=2,hidden=[5,6]", (4, 4), r"hidden \[512\] there, \[5, 6\] here"),
        (
            "ae:latent_dim=2",
            (4, 5),
            r"data of shape \(4, 4\) and support unit there, of shape \(4, 5\) and support unit here",
        ),
    ],
)
def test_weights_of_another_structure_are_refused_before_anything_is_written(
    contestant, shape, message, data, tmp_path
):
    zoo.train("ae:latent_dim=2,hidden=[512]", data, steps=1, folder=tmp_path / "source")
    other = data if shape == (4, 4) else torch.rand(50, *shape)
    with pytest.raises(zoo.ConfigError, match=message):
        zoo.train(contestant, other, steps=1, weights=tmp_path / "source", folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_settings_of_the_objective_may_differ(data, tmp_path):
    """Without steps of any size, an importance-weighted VAE is the VAE that it starts from."""
    source = zoo.train("vae:latent_dim=2,hidden=[5]", data, steps=7, seed=1, folder=tmp_path)
    contestant = f"vae:latent_dim=2,hidden=[5],k=5,resample=true,{STILL}"
    model = zoo.train(contestant, data, steps=3, seed=2, weights=tmp_path)
    assert model.config.k == 5
    assert same(model.module.state_dict(), source.module.state_dict())
    assert torch.equal(model.sample(3, seed=0), source.sample(3, seed=0))


def test_data_of_another_support_are_refused(data, tmp_path):
    zoo.train("ae:latent_dim=2", data, steps=1, folder=tmp_path)
    with pytest.raises(zoo.ConfigError, match=r"support unit there, of shape \(4, 4\) and support real here"):
        zoo.train("ae:latent_dim=2", torch.randn(50, 4, 4), steps=1, weights=tmp_path)


def test_a_model_with_its_own_fit_has_no_initial_weights(data, tmp_path):
    registry = Registry()
    registry.register(CoinsPlugin)
    registry.train("coins", data, folder=tmp_path)
    with pytest.raises(zoo.ConfigError, match=r"coins defines its own fit\(\), which sets its weights"):
        registry.train("coins", data, weights=tmp_path)


def test_the_command_line_starts_with_weights_and_keeps_them_when_resumed(tmp_path, capsys, monkeypatch):
    words = ["train", "vae:latent_dim=2,hidden=[3]", "--data", "bars-and-stripes:3", "--steps", "3"]
    assert run([*words, "--out", str(tmp_path / "a")]) == 0
    (source,) = (tmp_path / "a").iterdir()
    monkeypatch.chdir(tmp_path / "a")  # a relative path is recorded as an absolute one
    assert run([*words, "--out", str(tmp_path / "b"), "--seed", "1", "--weights", source.name]) == 0
    monkeypatch.chdir(tmp_path)
    (second,) = (tmp_path / "b").iterdir()
    before = (second / "model.safetensors").read_bytes()
    assert zoo.load(second).protocol["weights"]["path"] == str(source / "model.safetensors")
    (second / "model.safetensors").unlink()
    assert run(["train", "--resume", str(second)]) == 0
    assert (second / "model.safetensors").read_bytes() == before
    capsys.readouterr()
    assert run(["train", "--resume", str(second), "--weights", str(source)]) == 2
    assert capsys.readouterr().err == (
        "Error: A resumed run keeps the weights that it was started with; remove --weights.\n"
    )
