"""One latent density for the codes of each class: p(z) = Σ_y p(y) p(z|y)."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

import zoo
from tests.class_means import ClassMeansPlugin
from zoo.api import Registry
from zoo.builtin.densities.gaussian import Gaussian
from zoo.cli.main import run
from zoo.models.density import DensityPerClass, FittedDensity
from zoo.plugins.plugin import Plugin
from zoo.runtime.randomness import generator

GAUSSIAN = Plugin(Gaussian(), "zoo.densities")
SMALL = "ae@{}:latent_dim=2,hidden=[8]"


def normal(mean, scale=1.0):
    """A fitted N(mean, scale² I)."""
    mean = torch.tensor(mean, dtype=torch.float64)
    return FittedDensity(GAUSSIAN, {"mean": mean, "cholesky": scale * torch.eye(len(mean), dtype=torch.float64)}, (2,))


def train(density, data, settings="", **keywords):
    return zoo.train(SMALL.format(density) + settings, data, seed=0, steps=40, progress=False, **keywords)


@pytest.fixture(scope="module")
def digits():
    return zoo.load_data("digits")


@pytest.fixture(scope="module")
def model(digits):
    return train("gaussian", digits, ",density.per_class=true")


@pytest.mark.parametrize("density", ["normal", "gaussian", "gmm"])
def test_with_one_class_it_is_the_plain_density(digits, density):
    x = digits.train
    data = zoo.Data.from_arrays(x, torch.zeros(len(x), dtype=torch.int64), name="one class")
    plain, model = train(density, data), train(density, data, ",density.per_class=true")
    assert torch.equal(model.sample(30, seed=1), plain.sample(30, seed=1))
    z = plain.encode(data.test)
    assert torch.equal(model.log_prob_codes(z), plain.log_prob_codes(z))
    assert torch.equal(model.sample_codes(30, seed=1), plain.sample_codes(30, seed=1))


def test_the_density_of_two_equal_shares_of_gaussians_is_that_of_torch_distributions():
    density = DensityPerClass((normal([0.0, 0.0]), normal([3.0, -1.0], 0.5)), (0.5, 0.5))
    means, scales = torch.tensor([[0.0, 0.0], [3.0, -1.0]]).double(), torch.tensor([1.0, 0.5]).double()
    parts = MultivariateNormal(means, scale_tril=scales[:, None, None] * torch.eye(2).double())
    z = 3 * torch.randn(50, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = MixtureSameFamily(Categorical(torch.tensor([0.5, 0.5]).double()), parts).log_prob(z)
    torch.testing.assert_close(density.log_prob(z), expected)
    weighted = DensityPerClass((density.classes[0], None, density.classes[1]), (0.25, 0.0, 0.75))
    expected = MixtureSameFamily(Categorical(torch.tensor([0.25, 0.75]).double()), parts).log_prob(z)
    torch.testing.assert_close(weighted.log_prob(z), expected)


def test_draws_are_of_their_class_and_classes_have_their_shares():
    density, n = DensityPerClass((normal([-50.0, 0.0]), None, normal([50.0, 0.0])), (0.3, 0.0, 0.7)), 20_000
    y = torch.tensor([0, 2, 2, 0]).repeat(100)
    z = density.sample_of(y, generator(0, "of"))
    assert torch.equal(z[:, 0] > 0, y == 2)
    share = (density.sample(n, generator(0, "all"))[:, 0] > 0).double().mean().item()
    assert abs(share - 0.7) < 4 * math.sqrt(0.3 * 0.7 / n)
    with pytest.raises(zoo.ConfigError, match=r"Class 1 has no training examples, so it has no density of codes"):
        density.sample_of(torch.tensor([0, 1]), generator(0, "of"))


def test_the_density_of_a_class_is_fitted_to_the_codes_of_its_training_examples(model, digits):
    codes = model.encode(digits.train).double()
    for c, each in enumerate(model.density.classes):
        wanted = GAUSSIAN.hooks.fit(codes=codes[digits.train_labels == c], generator=generator(0, "any"))
        torch.testing.assert_close(each.state, wanted)
    assert model.density.shares == digits.class_shares


def test_samples_of_a_class_are_decoded_draws_of_its_density(model):
    z = model.density.classes[4].sample(9, generator(3, "sample")).float()
    assert torch.equal(model.sample(9, 4, seed=3), model.decode(z))
    y = model.draw_labels(9, seed=3)
    assert torch.equal(model.sample(9, seed=3), model.sample(9, y, seed=3))
    assert torch.equal(model.sample_codes(9, seed=3), model.sample_codes(9, y, seed=3))


def test_the_likelihood_is_under_the_density_of_all_classes(digits):
    """An autoencoder's bound sees the same p(z) as one density that is this mixture."""
    model = train("gaussian", digits, ",density.per_class=true,sample.k=20")
    (answer,) = model.log_prob(digits.test[:20].round(), seed=0)
    plain = train("gaussian", digits, ",sample.k=20")
    (other,) = plain.log_prob(digits.test[:20].round(), seed=0)
    assert answer.kind == "lower"
    assert (answer.nats - other.nats).abs().max() > 0.1
    with pytest.raises(zoo.ConfigError, match="ae@gaussian is not conditional, so it takes no classes y"):
        model.log_prob(digits.test[:20].round(), 3)


def test_a_loaded_model_has_the_densities_of_all_classes(model, tmp_path):
    loaded = zoo.load(model.save(tmp_path))
    torch.testing.assert_close(loaded.density.state, model.density.state, rtol=0, atol=0)
    assert loaded.density.shares == model.density.shares
    assert torch.equal(loaded.sample(20, seed=3), model.sample(20, seed=3))


def test_a_class_without_training_examples_is_left_out(digits, tmp_path):
    labels = torch.where(digits.train_labels == 3, 8, digits.train_labels)
    data = zoo.Data("few", digits.spec, digits.train, digits.valid, digits.test, labels, digits.valid_labels,
                    digits.test_labels)  # fmt: skip
    model = zoo.load(train("gaussian", data, ",density.per_class=true").save(tmp_path))
    assert model.density.classes[3] is None
    assert 3 not in model.draw_labels(1000, seed=0)
    with pytest.raises(zoo.ConfigError, match="Class 3 has no training examples"):
        model.sample(2, 3)


def test_the_command_line_samples_a_class(digits, tmp_path, capsys):
    contestant = SMALL.format("gaussian") + ",density.per_class=true"
    assert run(["train", contestant, "--steps", "3", "--out", str(tmp_path)]) == 0
    assert run(["sample", str(tmp_path / "ae@gaussian-digits-1"), "--label", "3", "-o", str(tmp_path / "x.npy")]) == 0
    assert run(["train", "--resume", str(tmp_path / "ae@gaussian-digits-1"), "--steps", "4", "--allow-changes"]) == 0
    assert len(zoo.load(tmp_path / "ae@gaussian-digits-1").density.classes) == 10


@pytest.mark.parametrize(
    ("contestant", "labels", "error", "match"),
    [
        (
            "ae:density.per_class=true",
            [0, 1],
            zoo.ConfigError,
            "settings after 'density.' are those of a latent density",
        ),
        (
            "ae@gmm:density.perclass=true",
            [0, 1],
            zoo.ConfigError,
            "latent density of ae: no key 'perclass'. Did you mean",
        ),
        (
            "ae@gmm:density.per_class=true",
            None,
            zoo.DataError,
            "needs a label 0, 1, … for every example, which bare does",
        ),
        (
            "ae@gmm:density.per_class=true",
            [*[0] * 19, 1],
            zoo.DataError,
            "at least 3 training examples of a class, and cl",
        ),
    ],
)
def test_what_cannot_be_fitted_is_refused_before_training(contestant, labels, error, match, tmp_path):
    x = torch.rand(40, 2, generator=torch.Generator().manual_seed(0))
    data = zoo.Data.from_arrays(x, None if labels is None else labels * (40 // len(labels)), name="bare")
    with pytest.raises(error, match=match):
        zoo.train(contestant, data, steps=1, folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_conditional_model_decodes_codes_of_a_class_with_that_class():
    registry = Registry()
    registry.register(ClassMeansPlugin)
    y = torch.arange(3).repeat(100)
    x = torch.randn(300, 2, generator=torch.Generator().manual_seed(1)) + 9.0 * y[:, None]
    data = zoo.Data.from_arrays(x, y, name="three")
    model = registry.train("class-means@gaussian:density.per_class=true", data, seed=0)
    x, m = data.standardise(model.sample(600, 2, seed=0)), model.module.m[2].detach()
    assert ((x.mean(0) - m).abs() < 5 / 600**0.5).all()  # the classes are about 1.2 apart, the noise has variance 1


def test_a_conditional_model_has_no_likelihood_under_a_density_for_each_class(digits):
    settings = "conditional=true,hidden=[8],latent_dim=2,density.per_class=true"
    model = zoo.train(f"vae@gaussian:{settings}", digits, steps=3, progress=False)
    with pytest.raises(zoo.Unsupported, match=r"log p\(x\|y\) of a conditional model is computed under one density"):
        model.log_prob(digits.test.round(), digits.test_labels)
