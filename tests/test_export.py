"""`zoo export`: programs without genzoo compute what the model computes, from noise that the caller draws."""

import json
import sys

import numpy as np
import pytest
import torch
from torch import nn

import zoo
from tests.class_means import ClassMeansPlugin
from zoo.api import default
from zoo.cli.main import run
from zoo.exchange.noise import Recorder
from zoo.models.density import DensityPerClass, FittedDensity

ANSWER = 'An export to ONNX needs {}, which is not installed; install it: pip install "genzoo[onnx]".'


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """An autoencoder under a mixture of two Gaussians, and its file."""
    state = {
        "weights": torch.tensor([0.3, 0.7], dtype=torch.float64),
        "means": torch.tensor([[2.0, 0.0, -1.0], [-2.0, 1.0, 0.0]], dtype=torch.float64),
        "cholesky": torch.tensor(
            [[[1.0, 0, 0], [0.5, 2, 0], [0, 1, 1]], [[0.2, 0, 0], [0, 0.1, 0], [0, 0, 3]]]
        ).double(),
    }
    density = FittedDensity(default.plugin("gmm", "zoo.densities"), state, (3,))
    model = zoo.train("ae:hidden=[12],latent_dim=3", "digits", steps=20, progress=False).with_density(density)
    return model, model.save(tmp_path_factory.mktemp("model"))


def expected_samples(model, normal, uniform):
    """z = m_k + L_k ε, k the number of u above the cumulative weights; decoded."""
    state = {key: value.numpy() for key, value in model.density.state.items()}
    k = np.searchsorted(state["weights"].cumsum(), uniform[:, 0])
    z = state["means"][k] + np.einsum("nij,nj->ni", state["cholesky"][k], normal)
    return model.decode(z.astype(np.float32)).numpy()


@pytest.fixture(scope="module")
def noise():
    rng = np.random.default_rng(0)
    return rng.standard_normal((40, 3), dtype=np.float32), rng.random((40, 1), dtype=np.float32)


class Decoder:
    """x = sigmoid(W z + b), without an encoder."""

    card = zoo.Card(
        name="decoder", summary="one layer", config=zoo.Config, trains_on="grey", latent="real", samples="means"
    )

    @zoo.hookimpl
    def build(self, data):
        return nn.Sequential(nn.Linear(3, data.size), nn.Sigmoid(), nn.Unflatten(1, data.shape))

    @zoo.hookimpl
    def fit(self):
        pass

    @zoo.hookimpl
    def encode(self):
        raise zoo.Unsupported("it has no encoder")

    @zoo.hookimpl
    def decode(self, model, z):
        return model(z)

    @zoo.hookimpl
    def sample(self):
        raise zoo.Unsupported("its density samples")


def test_onnx_programs_compute_what_the_model_computes_for_any_number_of_examples(trained, noise, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs genzoo[onnx]")
    pytest.importorskip("onnxscript", reason="needs genzoo[onnx]")
    registry = zoo.Registry()
    registry.register(Decoder)
    model = registry.create("decoder", zoo.DataSpec((8, 8), "unit")).with_density(trained[0].density)
    export = registry.export(model, tmp_path)
    assert export.refused == {"encode": "it has no encoder"}
    assert {name: each.inputs for name, each in export.programs.items()} == {
        "decode": {"z": (3,)},
        "sample": {"normal": (3,), "uniform": (1,)},
    }

    def answer(name, **inputs):
        return onnxruntime.InferenceSession(tmp_path / f"{name}.onnx").run(["output"], inputs)[0]

    np.testing.assert_allclose(answer("decode", z=noise[0]), model.decode(noise[0]), atol=1e-5)
    samples = answer("sample", normal=noise[0], uniform=noise[1])
    np.testing.assert_allclose(samples, expected_samples(model, *noise), atol=1e-5)
    assert len(answer("decode", z=noise[0][:1])) == 1

    with Recorder(40) as recorder:
        ours = model.sample(40, seed=3)
    theirs = answer("sample", **{kind: each.numpy() for kind, each in recorder.noise.items()})
    np.testing.assert_allclose(theirs, ours, atol=1e-5)  # hence the same figures as `samples:FILE`


def test_torch_programs_compute_what_the_model_computes(trained, noise, tmp_path, capsys):
    model, file = trained
    assert run(["export", str(file), "--torch", str(tmp_path), "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert told["refused"] == {}
    assert {name: each["file"] for name, each in told["programs"].items()} == {
        "encode": "encode.pt2",
        "decode": "decode.pt2",
        "sample": "sample.pt2",
    }
    assert all(each["difference"] < 1e-5 for each in told["programs"].values())
    x = torch.rand(7, 8, 8, generator=zoo.generator(1, "x"))
    encode = torch.export.load(tmp_path / "encode.pt2").module()
    torch.testing.assert_close(encode(x).detach(), model.encode(x), atol=1e-5, rtol=0)
    sample = torch.export.load(tmp_path / "sample.pt2").module()
    samples = sample(*map(torch.from_numpy, noise)).detach()
    np.testing.assert_allclose(samples, expected_samples(model, *noise), atol=1e-5)
    facts = json.loads((tmp_path / "export.json").read_text())
    assert facts["programs"]["decode"]["inputs"] == {"z": [3]}
    assert (facts["model"], facts["data"]["shape"], facts["protocol"]["seed"]) == ("ae@gmm", [8, 8], 0)


def test_programs_of_a_conditional_model_of_real_data_take_classes_and_the_users_units(tmp_path):
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 40)
    x = (rng.normal(size=(120, 2)) + labels[:, None]) * [3, 50] + [10, -7]
    registry = zoo.Registry()
    registry.register(ClassMeansPlugin)
    model = registry.train("class-means", zoo.Data.from_arrays(x, labels), progress=False)
    registry.export(model, tmp_path, "torch")

    offset, scale = (each.numpy() for each in model.standardisation)
    m, e, y = model.module.m.detach().numpy(), rng.standard_normal((5, 2), dtype=np.float32), np.array([2, 0, 1, 1, 2])
    sample = torch.export.load(tmp_path / "sample.pt2").module()
    samples = sample(torch.from_numpy(e), torch.from_numpy(y)).detach().numpy()
    np.testing.assert_allclose(samples, (m[y] + e) * scale + offset, rtol=1e-5)
    encode = torch.export.load(tmp_path / "encode.pt2").module()
    codes = encode(torch.from_numpy(samples), torch.from_numpy(y)).detach().numpy()
    np.testing.assert_allclose(codes, e, atol=1e-4)


class Identity:
    """The code of x is 2x; samples are fair bits."""

    card = zoo.Card(name="identity", summary="x", config=zoo.Config, trains_on="grey", latent="real", samples="means")

    @zoo.hookimpl
    def build(self):
        return nn.Identity()

    @zoo.hookimpl
    def fit(self):
        pass

    @zoo.hookimpl
    def encode(self, x):
        return x.flatten(1) * 2

    @zoo.hookimpl
    def decode(self, z):
        return (z / 2).reshape(-1, 4, 1)

    @zoo.hookimpl
    def sample(self, n, generator):
        return zoo.bernoulli(torch.full((n, 4, 1), 0.5), generator)


def exported(plugin, folder):
    registry = zoo.Registry()
    registry.register(plugin)
    return registry.export(registry.create("identity", zoo.DataSpec((4, 1), "unit")), folder, "torch")


class Branching(Identity):
    """Its code depends on the values in a way that a program cannot follow."""

    @zoo.hookimpl
    def encode(self, x):
        return x.flatten(1) * (2 if x.sum() > 0 else 3)


class Remembering(Identity):
    """Its decoder is another one each time that it is called."""

    calls = 0

    @zoo.hookimpl
    def decode(self, z):
        self.calls += 1
        return (z / 2).reshape(-1, 4, 1) * (1 - 2e-5 * (self.calls - 1))


@pytest.mark.parametrize(
    ("plugin", "name", "reason"),
    [
        (Identity, "sample", "it draws with torch's random_"),
        (Branching, "encode", "the exporter refuses it: "),
        (Remembering, "decode", "the program differs from the model by "),
    ],
)
def test_what_cannot_be_exported_says_why_and_leaves_no_file(plugin, name, reason, tmp_path, capfd):
    export = exported(plugin, tmp_path)
    assert capfd.readouterr() == ("", "")  # torch prints whole graphs
    assert export.refused.keys() == {name} | ({"sample"} if plugin is not Identity else set())
    assert export.refused[name].startswith(reason)
    files = {f"{each}.pt2" for each in ("encode", "decode") if each != name}
    assert {path.name for path in tmp_path.iterdir()} == {*files, "export.json"}


def test_a_density_for_each_class_of_a_model_without_classes_is_not_sampled_by_a_program(tmp_path):
    registry = zoo.Registry()
    registry.register(Decoder)
    one = FittedDensity(default.plugin("normal", "zoo.densities"), {"dimension": torch.tensor(3)}, (3,))
    model = registry.create("decoder", zoo.DataSpec((8, 8), "unit"))
    export = registry.export(model.with_density(DensityPerClass((one, one), (0.5, 0.5))), tmp_path, "torch")
    assert export.programs["decode"].inputs == {"z": (3,)}
    assert export.refused["sample"] == "a program cannot choose the latent density by the class of each example"


class DropoutPlugin(Identity):
    """A code with dropout."""

    @zoo.hookimpl
    def build(self):
        return nn.Dropout(0.5)

    @zoo.hookimpl
    def encode(self, model, x):
        return model(x.flatten(1)) * 2


def test_a_module_in_training_mode_is_exported_in_evaluation_mode_and_left_as_it_is(tmp_path):
    registry = zoo.Registry()
    registry.register(DropoutPlugin)
    model = registry.create("identity", zoo.DataSpec((4, 1), "unit"))
    model.module.train()
    registry.export(model, tmp_path, "torch")
    x = torch.rand(30, 4, 1, generator=zoo.generator(0, "x"))
    assert torch.equal(torch.export.load(tmp_path / "encode.pt2").module()(x), x.flatten(1) * 2)
    assert model.module.training


class Silent(Identity):
    """Nothing of it can be exported."""

    @zoo.hookimpl
    def encode(self):
        raise zoo.Unsupported("no code")

    @zoo.hookimpl
    def decode(self):
        raise zoo.Unsupported("no code")


def test_a_model_of_which_nothing_can_be_exported_is_refused_with_all_reasons(tmp_path):
    reasons = "Nothing of identity can be exported: encode: no code; decode: no code; sample: it draws with torch's"
    with pytest.raises(zoo.Unsupported, match=reasons):
        exported(Silent, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_autoencoder_without_a_density_is_exported_without_its_sample(tmp_path, capsys):
    folder = tmp_path / "ae"
    zoo.train("ae:hidden=[8],latent_dim=2", "digits", steps=2, folder=folder, progress=False)
    assert run(["export", str(folder), "--torch", str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out
    assert "encode.pt2: x (B, 8, 8); differs from the model by at most " in out
    assert "sample is not exported: an autoencoder learns a code h for each x but no distribution over h" in out


def test_without_the_libraries_one_sentence_says_what_to_install(trained, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    assert run(["export", str(trained[1]), "--onnx", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert said in (f"Error: {ANSWER.format(each)}\n" for each in ("onnx", "onnxscript"))
    assert not (tmp_path / "out").exists()


def test_a_form_is_required(trained, capsys):
    assert run(["export", str(trained[1])]) == 2
    assert "Give --onnx DIR or --torch DIR." in capsys.readouterr().err
