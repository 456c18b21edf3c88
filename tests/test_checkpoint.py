"""A model file: what goes in comes out, on another day and by another process; anything else is refused."""

import json

import pytest
import torch
from safetensors.torch import load, save
from torch import nn

import zoo
from zoo.api import Registry


class CoderConfig(zoo.Config):
    latent_dim: int = 2


class Coder(nn.Module):
    """A linear autoencoder with a buffer, and with tied weights that share their memory."""

    def __init__(self, config, data):
        super().__init__()
        self.shape = data.shape
        self.W = nn.Parameter(torch.randn(data.size, config.latent_dim))
        self.same = self.W
        self.register_buffer("count", torch.tensor(3))


class CoderPlugin:
    card = zoo.Card(
        name="coder", summary="linear", config=CoderConfig, trains_on="grey", latent="real", samples="means"
    )

    @zoo.hookimpl
    def build(self, config, data):
        return Coder(config, data)

    @zoo.hookimpl
    def loss(self, model, x):
        v = x.flatten(1)
        return {"loss": (v - v @ model.W @ model.W.T).square().sum(1).mean()}

    @zoo.hookimpl
    def encode(self, model, x):
        return x.flatten(1) @ model.W

    @zoo.hookimpl
    def decode(self, model, z):
        return (z @ model.W.T).unflatten(1, model.shape)

    @zoo.hookimpl
    def sample(self, model, n):
        raise zoo.Unsupported("no distribution over codes")


@pytest.fixture
def registry():
    registry = Registry()
    registry.register(CoderPlugin)
    return registry


@pytest.fixture
def data():
    x = torch.randn(60, 2, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 10.0, 100.0]) + 5
    return zoo.Data.from_arrays(x, name="table")


@pytest.fixture
def model(registry, data):
    return registry.train("coder@gaussian:latent_dim=3", data, epochs=2)


def test_a_loaded_model_is_the_saved_one_in_every_respect(registry, data, model, tmp_path):
    loaded = registry.load(model.save(tmp_path).parent)
    assert (loaded.name, loaded.spec, loaded.config) == ("coder@gaussian", model.spec, model.config)
    assert loaded.protocol == json.loads(json.dumps(model.protocol))
    assert torch.equal(loaded.encode(data.test), model.encode(data.test))
    assert torch.equal(loaded.sample(5, seed=1), model.sample(5, seed=1))
    assert torch.equal(loaded.standardisation[1], data.standardisation[1])
    assert loaded.module.count == 3


def test_the_file_of_the_same_training_is_the_same_to_the_byte(registry, data, model, tmp_path):
    again = registry.train("coder@gaussian:latent_dim=3", data, epochs=2)
    assert model.save(tmp_path / "a").read_bytes() == again.save(tmp_path / "b").read_bytes()


def test_every_flipped_bit_is_found(registry, model, tmp_path):
    path = model.save(tmp_path)
    content = path.read_bytes()
    for position in range(0, len(content), 41):
        damaged = bytearray(content)
        damaged[position] ^= 1 << (position % 8)
        path.write_bytes(damaged)
        with pytest.raises(zoo.CheckpointError):
            registry.load(path)
    path.write_bytes(content)
    registry.load(path)


@pytest.mark.parametrize("content", [b"", b"\x00" * 8, b"hello", b"\xff" * 100, b"\x02\0\0\0\0\0\0\0{}"])
def test_what_is_no_model_file_is_refused(registry, tmp_path, content):
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(zoo.CheckpointError, match="damaged or not a genzoo file"):
        registry.load(path)


def test_a_cut_off_file_is_refused(registry, model, tmp_path):
    path = model.save(tmp_path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(zoo.CheckpointError, match="damaged"):
        registry.load(path)


def test_a_file_of_another_format_says_so(registry, model, tmp_path):
    path = model.save(tmp_path)
    tensors = load(path.read_bytes())
    path.write_bytes(save(tensors, {"zoo": json.dumps({"format": 99})}))
    with pytest.raises(zoo.CheckpointError, match="format 99, but this version of genzoo reads format 1"):
        registry.load(path)


def test_weights_that_do_not_fit_the_installed_plugin_name_both_sides(registry, model, tmp_path):
    path = model.save(tmp_path)

    class Changed(CoderPlugin):
        @zoo.hookimpl
        def build(self, config, data):
            module = Coder(config, data)
            module.extra = nn.Parameter(torch.zeros(2))
            return module

    registry.register(Changed)
    with pytest.raises(zoo.CheckpointError, match=r"extra: the plugin has \(2,\), the file none"):
        registry.load(path)


def test_a_model_whose_plugin_is_missing_says_what_is_missing(model, tmp_path):
    path = model.save(tmp_path)
    with pytest.raises(zoo.ConfigError, match="No model named 'coder' is installed"):
        Registry().load(path)


def test_loading_leaves_the_callers_random_state_alone(registry, model, tmp_path):
    path = model.save(tmp_path)
    torch.manual_seed(11)
    before = torch.get_rng_state()
    registry.load(path)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_folder_with_several_models_asks_which(registry, model, tmp_path):
    model.save(tmp_path / "a.safetensors")
    assert registry.load(tmp_path).name == "coder@gaussian"
    model.save(tmp_path / "b.safetensors")
    with pytest.raises(
        zoo.CheckpointError, match=r"contains several models; choose one of: .*a\.safetensors, .*b\.safetensors"
    ):
        registry.load(tmp_path)
    with pytest.raises(zoo.CheckpointError, match="does not contain a model"):
        registry.load(tmp_path.parent)
    with pytest.raises(zoo.CheckpointError, match="No such file"):
        registry.load(tmp_path / "c.safetensors")
