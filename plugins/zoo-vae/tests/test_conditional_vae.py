"""p(x|y): where the class enters, bounds given the class, and samples that are of it."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
from torch import Generator
from zoo_vae.model import VAE, VAEConfig, kl_to_standard_normal
from zoo_vae.plugin import VAEOptions, VAEPlugin

import zoo

PLUGIN = VAEPlugin()
TINY = {"hidden": (6,), "latent_dim": 3, "activation": "tanh"}
SHARES = (0.5, 0.25, 0.25)
NETWORKS = [TINY, {"hidden": (), "latent_dim": 2}, {"network": "conv", "channels": (4,), "latent_dim": 3}]


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def build(shape=(2, 3), seed=0, shares=SHARES, support="unit", **config) -> VAE:
    torch.manual_seed(seed)
    config = VAEConfig(**config or TINY, conditional=bool(shares))
    model = PLUGIN.build(config, zoo.DataSpec(shape, support, shares)).double()
    if model.K and config.network == "conv":
        with torch.no_grad():
            model.c.normal_(generator=seeded(seed))  # they start at 0
    return model


def examples(n=7, shape=(2, 3)) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.rand(n, *shape, generator=seeded(9), dtype=torch.float64).round()
    return x, torch.randint(3, (n,), generator=seeded(8))


def of_class(model: VAE, c: int) -> VAE:
    """The unconditional VAE with p(x|z) and q(z|x) of one class: the weights of 8 e(y) become part of the biases."""
    plain = build(tuple(model.shape), shares=(), **model.config.model_dump(exclude={"conditional"}))
    state = {name: value.clone() for name, value in model.state_dict().items()}
    first = "decoder.0" if "decoder.0.weight" in state else "output"
    state[f"{first}.bias"] += 8 * state[f"{first}.weight"][:, model.config.latent_dim + c]
    state[f"{first}.weight"] = state[f"{first}.weight"][:, : model.config.latent_dim]
    if model.config.network == "conv":
        W = model.encoder[1].W
        state["encoder.1.bias"] += W(state.pop("c")[c].view(1, 1, *model.shape))[0]
    else:
        V = math.prod(model.shape)
        state["encoder.0.bias"] += 8 * state["encoder.0.weight"][:, V + c]
        state["encoder.0.weight"] = state["encoder.0.weight"][:, :V]
    plain.load_state_dict(state)
    return plain


@pytest.mark.parametrize("config", NETWORKS)
def test_each_row_is_that_of_the_vae_of_its_class(config):
    """Every hook, on a batch of several classes, equals that of three unconditional VAEs."""
    model, (x, y) = build(**config), examples(40)
    z = PLUGIN.encode(model, x, None, y)
    decoded, sampled = PLUGIN.decode(model, z, None, y), PLUGIN.sample(model, 40, seeded(2), y)
    for c in range(3):
        plain, own = of_class(model, c), y == c
        torch.testing.assert_close(z[own], PLUGIN.encode(plain, x, None, None)[own])
        torch.testing.assert_close(decoded[own], PLUGIN.decode(plain, z, None, None)[own])
        torch.testing.assert_close(sampled[own], PLUGIN.sample(plain, 40, seeded(2), None)[own])
        found, wanted = (model.elbo(x, seeded(1), y), plain.elbo(x, seeded(1)))
        torch.testing.assert_close(found[own], wanted[own])


@pytest.mark.parametrize("change", [{}, {"k": 5}, {"k": 5, "resample": True}])
@pytest.mark.parametrize("config", NETWORKS)
def test_the_loss_of_one_class_is_that_of_its_vae(config, change):
    model, (x, _) = build(**config, **change), examples()
    for c in range(3):
        found = PLUGIN.loss(model, x, seeded(), zoo.Step(progress=1.0), torch.full((7,), c))
        wanted = PLUGIN.loss(of_class(model, c), x, seeded(), zoo.Step(progress=1.0), None)
        torch.testing.assert_close(found, wanted)


def test_the_likelihood_is_that_of_its_class():
    model = build((2, 2))
    x = torch.tensor(list(product((0.0, 1.0), repeat=4)), dtype=torch.float64).view(-1, 2, 2)
    bounds = []
    for c in range(3):
        y = torch.full((16,), c)
        (answer,) = PLUGIN.log_prob(model, x, seeded(), VAEOptions(k=400), None, y)
        (wanted,) = PLUGIN.log_prob(of_class(model, c), x, seeded(), VAEOptions(k=400), None, None)
        torch.testing.assert_close(answer.nats, wanted.nats)
        bounds.append(answer.nats)
    assert (bounds[0] - bounds[1]).abs().max() > 0.1


def test_blocks_of_the_likelihood_keep_rows_and_classes_together(monkeypatch):
    model, (x, y), k = build(), examples(20), VAEOptions(k=50)
    monkeypatch.setattr("zoo_vae.model._BLOCK", 32 * model.widest)  # one example in each block
    (answer,) = PLUGIN.log_prob(model, x, seeded(), k, None, y)
    draws = seeded()
    for row, c in enumerate(y):
        (wanted,) = PLUGIN.log_prob(of_class(model, int(c)), x[row : row + 1], draws, k, None, None)
        torch.testing.assert_close(answer.nats[row : row + 1], wanted.nats)


def test_the_diagnosis_is_given_the_classes_of_both_splits():
    model, (x, y) = build(), examples(500)
    one = torch.zeros_like(y)
    found = PLUGIN.diagnose(model, x, x, seeded(), one, y)
    wanted = PLUGIN.diagnose(of_class(model, 0), x, x, seeded(), None, None)
    assert found["ELBO (training)"] == pytest.approx(wanted["ELBO (training)"])
    mu, sigma_q = model.posterior(x, y)
    assert found["KL"] == pytest.approx(kl_to_standard_normal(mu, sigma_q).mean(0).sum().item())


@pytest.mark.parametrize("network", ["mlp", "conv"])
def test_samples_of_a_digit_are_recognised_as_that_digit(network):
    """By a discriminant of the training images, whose own accuracy on test images is about 0.93."""
    from zoo.builtin.metrics.classes import discriminant

    data = zoo.load_data("digits")
    model = zoo.train(f"vae:conditional=true,network={network}", data, epochs=12, seed=0, progress=False)
    found = discriminant(data.train.flatten(1).double(), data.train_labels)
    y = torch.arange(10).repeat_interleave(40)
    x = model.sample(400, y, seed=0).flatten(1).double()
    assert ((x @ found.W + found.b).argmax(1) == y).double().mean() > 0.9


@pytest.mark.slow
@pytest.mark.parametrize(("settings", "least"), [("", 0.85), (",beta=4.0", 0.95)])
def test_samples_of_an_mnist_class_are_recognised(settings, least):
    """By the feature classifier: a discriminant, in its features, of the training images as bits."""
    from zoo.builtin.metrics.classes import discriminant
    from zoo.evaluation.features import feature_space
    from zoo.files.storage import cache_folder

    data = zoo.load_data("mnist")
    model = zoo.train(f"vae:conditional=true{settings}", data, epochs=4, seed=0, progress=False)
    φ = feature_space(data, cache_folder("features"))
    found = discriminant(φ(zoo.bernoulli(data.train, zoo.generator(0, "train"))), data.train_labels)

    def right(x: torch.Tensor, y: torch.Tensor) -> float:
        return ((φ(x) @ found.W + found.b).argmax(1) == y).double().mean().item()

    y = torch.arange(10).repeat_interleave(500)
    x = model.sample(5000, y, seed=0)
    real = (
        right(data.test, data.test_labels),
        right(zoo.bernoulli(data.test, zoo.generator(0, "test")), data.test_labels),
    )
    shares = right(x, y), right(zoo.bernoulli(x, zoo.generator(0, "samples")), y)
    print("test images {:.3f}, as bits {:.3f}; samples {:.3f}, as bits {:.3f}".format(*real, *shares))
    assert shares[0] >= least
