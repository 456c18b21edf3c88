"""A tensor of any type, layout or memory is saved and comes back the same, or is refused by name before training."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import nn

import zoo
from zoo.api import Registry
from zoo.errors import PluginError
from zoo.files.tensor_file import read, write
from zoo.training.train import fit_density

DATA = zoo.Data.from_arrays(torch.rand(20, 2, generator=torch.Generator().manual_seed(0)), name="pairs")
DTYPES = sorted({each for each in vars(torch).values() if isinstance(each, torch.dtype)}, key=str)
STORED = {
    *("bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"),
    *("float16", "bfloat16", "float32", "float64", "complex64"),
    *("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz"),
}


def of(dtype):
    """Four values of 16 bytes at most, whose bytes are 0 and 1."""
    return torch.tensor([0, 1] * 16, dtype=torch.uint8).view(dtype)[:2]


def content(tensor):
    plain = tensor.resolve_conj().resolve_neg().contiguous()
    return tensor.dtype, tuple(tensor.shape), bytes(plain.flatten().view(torch.uint8).tolist())


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: str(dtype).removeprefix("torch."))
def test_a_tensor_of_every_type_comes_back_or_is_refused_by_name(tmp_path, dtype):
    path = tmp_path / "file.safetensors"
    if str(dtype).removeprefix("torch.") in STORED:
        write(path, {"x": of(dtype)}, {})
        assert content(read(path)[1]["x"]) == content(of(dtype))
        return
    with pytest.raises(PluginError, match=f"Cannot write .*file.safetensors: x has the type {dtype}, which the file"):
        write(path, {"x": of(dtype)}, {})
    assert not path.exists()


def buffer(value, *, persistent=True):
    return lambda module: module.register_buffer("kept", value, persistent=persistent)


def parameter(value):
    return lambda module: module.register_parameter("kept", nn.Parameter(value))


def halves(module):
    both = torch.arange(6.0)
    module.register_buffer("kept", both[:3])
    module.register_buffer("other", both[3:])


def twice(module):
    module.register_buffer("kept", torch.arange(3.0))
    module.register_buffer("other", module.kept)


class Counting(nn.Module):
    def get_extra_state(self):
        return {"count": 1}


def sparse(kind):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse")
        return getattr(torch.eye(3), kind)()


COMPLEX = torch.view_as_complex(torch.arange(4.0).reshape(2, 2)).conj()
RIGHT = {
    "transposed": buffer(torch.arange(6.0).reshape(2, 3).T),
    "channels last": buffer(torch.arange(24.0).reshape(1, 2, 3, 4).to(memory_format=torch.channels_last)),
    "every other value": buffer(torch.arange(12.0)[::2]),
    "overlapping": buffer(torch.arange(6.0).as_strided((3, 2), (1, 1))),
    "conjugate": buffer(COMPLEX),
    "negative": buffer(COMPLEX.imag),
    "expanded over one value": buffer(torch.ones(3).expand(1, 3)),
    "empty": buffer(torch.empty(0, 3)),
    "a number": buffer(torch.tensor(3)),
    "halves of one storage": halves,
    "one tensor twice": twice,
    "not saved": buffer(torch.arange(3.0), persistent=False),
    "a transposed parameter": parameter(torch.arange(6.0).reshape(2, 3).T),
    "a parameter of float16": parameter(torch.ones(2, dtype=torch.float16)),
    "a complex parameter": parameter(torch.ones(2, dtype=torch.complex64)),
}
WRONG = {
    "complex128": (buffer(of(torch.complex128)), "kept has the type torch.complex128, which the file format lacks"),
    "e8m0": (buffer(of(torch.float8_e8m0fnu)), "kept has the type torch.float8_e8m0fnu, which the file format lacks"),
    "sparse": (buffer(torch.eye(3).to_sparse()), "kept has the layout sparse_coo; use a dense tensor"),
    "csr": (buffer(sparse("to_sparse_csr")), "kept has the layout sparse_csr"),
    "mkldnn": (buffer(torch.eye(3).to_mkldnn()), "kept has the layout _mkldnn"),
    "sparse, in checkpoints only": (
        buffer(torch.eye(3).to_sparse(), persistent=False),
        "kept has the layout sparse_coo",
    ),
    "expanded": (buffer(torch.ones(1).expand(4)), r"kept is expanded, .* use a copy \(x.clone\(\)\)"),
    "an expanded parameter": (parameter(torch.ones(1).expand(4)), "kept is expanded"),
    "meta": (buffer(torch.empty(3, device="meta")), "kept has no values yet"),
    "lazy": (lambda module: module.add_module("later", nn.LazyLinear(3)), "later.weight has no values yet"),
    "extra state": (
        lambda module: module.add_module("counting", Counting()),
        "counting._extra_state is not a tensor but dict; keep settings in the config",
    ),
}


class Keeper:
    """Two weights, and a tensor of the test."""

    card = zoo.Card(
        name="keeper",
        summary="keeps a tensor",
        config=type("KeeperConfig", (zoo.Config,), {}),
        trains_on="bits",
        latent="real",
        samples="means",
        training=zoo.Training(batch_size=2, patience=9),
    )

    def __init__(self, add):
        self.add = add
        self.losses = 0

    @zoo.hookimpl
    def build(self):
        module = nn.Module()
        module.w = nn.Parameter(torch.zeros(2))
        self.add(module)
        return module

    @zoo.hookimpl
    def loss(self, model, x):
        self.losses += 1
        return {"loss": (model.w - x.flatten(1).mean(0)).square().mean()}

    @zoo.hookimpl
    def encode(self, x):
        return x.clone()

    @zoo.hookimpl
    def decode(self, z):
        return z.clamp(0, 1)

    @zoo.hookimpl
    def sample(self, model, n):
        return model.w.detach().sigmoid().repeat(n, 1)


def keeping(add):
    registry = Registry(extensions=False)
    registry.register(keeper := Keeper(add))
    return registry, keeper


@pytest.mark.parametrize("add", RIGHT.values(), ids=RIGHT)
def test_a_tensor_in_any_memory_comes_back_from_a_model_file_and_a_checkpoint(tmp_path, add):
    registry, _ = keeping(add)
    model = registry.train("keeper", DATA, steps=7, folder=tmp_path, save_every=0)
    wanted = {name: content(value) for name, value in model.module.state_dict().items()}
    loaded = registry.load(tmp_path).module.state_dict()
    assert {name: content(value) for name, value in loaded.items()} == wanted
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / "state-6.safetensors").replace(tmp_path / "state.safetensors")
    resumed = registry.resume(tmp_path, data=DATA).module.state_dict()
    assert {name: content(value) for name, value in resumed.items()} == wanted


@pytest.mark.parametrize(("add", "reason"), WRONG.values(), ids=WRONG)
def test_a_tensor_that_no_file_can_hold_is_refused_by_name_before_the_training(tmp_path, add, reason):
    registry, keeper = keeping(add)
    with pytest.raises(PluginError, match=f"The model of 'keeper' .* cannot be saved: {reason}"):
        registry.train("keeper", DATA, steps=6, folder=tmp_path / "run", save_every=0)
    assert keeper.losses == 0
    assert not (tmp_path / "run" / "run.json").exists()


class Held:
    """A density whose state is that of the test; it draws zeros."""

    card = zoo.DensityCard(name="held", summary="holds a state")

    def __init__(self, state):
        self.given = state

    @zoo.hookimpl
    def fit(self):
        return self.given

    @zoo.hookimpl
    def sample(self, state, n):
        return torch.zeros(n, 2, dtype=torch.float64)

    @zoo.hookimpl
    def log_prob(self, state, z):
        return torch.zeros(len(z), dtype=torch.float64)


def held(state):
    registry, _ = keeping(lambda module: None)
    registry.register(Held(state), "zoo.densities")
    return registry


def test_the_state_of_a_density_in_any_memory_comes_back(tmp_path):
    both = torch.arange(6.0, dtype=torch.float64)
    state = {
        "expanded": torch.ones(1).expand(4),
        "transposed": both.reshape(2, 3).T,
        "left": both[:3],
        "right": both[3:],
        "conjugate": COMPLEX,
        "empty": torch.empty(0),
        **{name: of(getattr(torch, name)) for name in STORED - {"float16"}},
    }
    registry = held(state)
    registry.train("keeper@held", DATA, steps=1, folder=tmp_path)
    found = registry.load(tmp_path).density.state
    assert {name: content(value) for name, value in found.items()} == {
        name: content(value) for name, value in state.items()
    }


@pytest.mark.parametrize(
    ("value", "reason"),
    [(of(torch.complex128), "has the type torch.complex128"), (torch.eye(3).to_sparse(), "has the layout sparse_coo")],
)
def test_the_state_of_a_density_that_no_file_can_hold_is_refused_by_name(value, reason):
    registry = held({"mean": value})
    model = registry.train("keeper", DATA, steps=1)
    with pytest.raises(
        PluginError, match=f"The hook 'fit' of 'held' .* returned a state that cannot be saved: mean {reason}"
    ):
        fit_density(model, registry.plugin("held", "zoo.densities"), DATA, seed=0)
