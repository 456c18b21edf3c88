"""The convolutional networks against sums written out, and the VAE's laws with them in place of the perceptrons."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
import torch
import zoo_vae.model
from sklearn.datasets import load_digits
from torch import Generator, Tensor
from torch.distributions import Bernoulli, Normal, kl_divergence
from zoo_vae.model import VAE, VAEConfig, log_standard_normal
from zoo_vae.networks import Convolution, TransposedConvolution
from zoo_vae.plugin import VAEOptions, VAEPlugin

import zoo

PLUGIN = VAEPlugin()


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def build(shape=(4, 3), support="unit", **config) -> VAE:
    settings = {"network": "conv", "channels": (2, 3), "latent_dim": 2, "activation": "tanh"} | config
    torch.manual_seed(0)
    return PLUGIN.build(VAEConfig(**settings), zoo.DataSpec(shape, support)).double()


def images(n: int, *shape: int) -> Tensor:
    return torch.rand(n, *shape, generator=seeded(9), dtype=torch.float64)


def parts(model: VAE, x: Tensor, seed: int = 0) -> dict[str, Tensor]:
    return PLUGIN.loss(model, x, seeded(seed), zoo.Step(progress=1.0), y=None)


def convolved(x: Tensor, W: Tensor) -> Tensor:
    """y_cij = Σ_duv W_cduv x_d,2i+u−1,2j+v−1, x being 0 outside: (B, D, H, W) -> (B, C, ⌈H/2⌉, ⌈W/2⌉)."""
    _, _, height, width = x.shape
    y = x.new_zeros(len(x), len(W), -(-height // 2), -(-width // 2))
    for i, j, u, v in product(range(y.shape[2]), range(y.shape[3]), range(3), range(3)):
        row, column = 2 * i + u - 1, 2 * j + v - 1
        if 0 <= row < height and 0 <= column < width:
            y[:, :, i, j] += x[:, :, row, column] @ W[:, :, u, v].T
    return y


SIDES = [(4, 4), (5, 5), (4, 7), (5, 2), (1, 6), (1, 1)]


@pytest.mark.parametrize("sides", SIDES)
def test_a_convolution_is_the_sum_written_out(sides):
    above = (2, -(-sides[0] // 2), -(-sides[1] // 2))
    layer = Convolution((3, *sides), above).double()
    torch.nn.init.uniform_(layer.bias)
    x = images(4, 3, *sides)
    torch.testing.assert_close(layer(x), convolved(x, layer.W.weight) + layer.bias)


@pytest.mark.parametrize("sides", SIDES)
def test_a_transposed_convolution_is_the_transpose_of_the_convolution_with_its_kernel(sides):
    above = (2, -(-sides[0] // 2), -(-sides[1] // 2))
    layer = TransposedConvolution(above, (3, *sides)).double()
    torch.nn.init.uniform_(layer.bias)
    x, h = images(4, 3, *sides), torch.randn(4, *above, generator=seeded(), dtype=torch.float64)
    # <W x, h> = <x, Wᵀ h>
    left = (convolved(x, layer.W_star.weight) * h).flatten(1).sum(1)
    torch.testing.assert_close(left, (x * (layer(h) - layer.bias)).flatten(1).sum(1))


@pytest.mark.parametrize("leading", [(), (1,), (3,)])
def test_what_is_decoded_and_sampled_has_the_shape_of_the_image_for_all_sides_and_channels(leading):
    sides = [sides for sides in product(range(1, 10), repeat=2) if max(sides) > 2]
    for height, width in [*sides, (28, 28), (13, 32)]:
        x = images(2, *leading, height, width)
        model = build(x.shape[1:])
        z = PLUGIN.encode(model, x, None, y=None)
        assert z.shape == (2, 2)
        assert PLUGIN.decode(model, z, None, y=None).shape == x.shape
        assert PLUGIN.sample(model, 3, seeded(), y=None).shape == (3, *x.shape[1:])


@pytest.mark.parametrize("shape", [(6, 5), (3, 7, 4)])
def test_the_decoder_undoes_the_encoders_layers_in_reverse(shape):
    model = build(shape)
    affine, g, unflatten, stage, _ = model.decoder
    z = torch.randn(4, 2, generator=seeded(), dtype=torch.float64)
    h = (z @ affine.weight.T + affine.bias).tanh().reshape(4, 3, 2, 2 if shape[0] == 6 else 1)
    torch.testing.assert_close(unflatten(g(affine(z))), h)
    o = model.output(stage(h).tanh()).reshape(4, *shape)
    torch.testing.assert_close(PLUGIN.decode(model, z, None, y=None), o.sigmoid())


@pytest.mark.parametrize(("support", "likelihood"), [("bits", "auto"), ("unit", "gaussian"), ("real", "auto")])
def test_the_log_likelihood_of_several_draws_is_that_of_each_decoded_by_itself(support, likelihood):
    model, x = build((5, 4), support, likelihood=likelihood), images(7, 5, 4).round()
    z = torch.randn(3, 7, 2, generator=seeded(), dtype=torch.float64)
    for each, log_likelihood in zip(z, model.log_likelihood(x, z), strict=True):
        mean = PLUGIN.decode(model, each, None, y=None)
        p = Bernoulli(mean) if likelihood == "auto" and support == "bits" else Normal(mean, model.sigma)
        torch.testing.assert_close(log_likelihood, p.log_prob(x).flatten(1).sum(1))


def test_the_loss_is_the_nll_plus_the_kl():
    model, x = build((3, 5, 4)), images(7, 3, 5, 4).round()
    mu, sigma_q = model.posterior(x)
    out = parts(model, x)
    nll = (
        -Bernoulli(PLUGIN.decode(model, PLUGIN.encode(model, x, seeded(), y=None), None, y=None))
        .log_prob(x)
        .flatten(1)
        .sum(1)
        .mean()
    )
    kl = kl_divergence(Normal(mu, sigma_q), Normal(0.0, 1.0)).sum(1).mean()
    torch.testing.assert_close([out["nll"], out["kl"], out["loss"]], [nll, kl, nll + kl])


def test_the_importance_weighted_loss_is_minus_the_bound_that_log_prob_streams():
    model, x = build((5, 4), k=6), images(7, 5, 4).round()
    bound = model.importance_weighted_bound(x, 6, seeded(), log_standard_normal)
    torch.testing.assert_close(parts(model, x)["loss"], -bound.mean())


def test_the_bound_holds_no_more_maps_at_once_than_a_block(monkeypatch):
    model, x = build((8, 6), channels=(5,)), images(7, 8, 6).round()
    widest = 5 * 4 * 3  # more values than the image's 48
    monkeypatch.setattr(zoo_vae.model, "_BLOCK", 4 * widest)
    seen = []

    def log_prior(z: Tensor) -> Tensor:
        seen.append(len(z))
        return log_standard_normal(z)

    model.importance_weighted_bound(x, 10, seeded(), log_prior)
    assert (sum(seen), max(seen)) == (70, 4)


def test_elbo_and_bound_stay_below_the_likelihood_by_quadrature_and_the_patterns_sum_to_one():
    model = build((2, 2), "bits", channels=(3,), latent_dim=1)
    with torch.no_grad():
        model.encoder[-1].bias[1] = 1.0  # q wider than the posterior, so that the weights are bounded
    x = torch.tensor(list(product([0.0, 1.0], repeat=4)), dtype=torch.float64).view(16, 2, 2)
    nodes, masses = np.polynomial.hermite_e.hermegauss(60)
    z, p_z = torch.from_numpy(nodes)[:, None, None].expand(60, 16, 1), torch.from_numpy(masses / math.sqrt(2 * math.pi))
    with torch.no_grad():
        log_p = (model.log_likelihood(x, z) + p_z.log()[:, None]).logsumexp(0)
    assert log_p.exp().sum().item() == pytest.approx(1, abs=1e-9)

    def bounds(k: int, repeats: int) -> tuple[Tensor, Tensor]:
        (answer,) = PLUGIN.log_prob(model, x.repeat(repeats, 1, 1), seeded(k), VAEOptions(k=k), None, y=None)
        nats = answer.nats.view(repeats, 16)
        return nats.mean(0), nats.std(0) / math.sqrt(repeats)

    elbo, elbo_error = bounds(1, 4000)
    assert (log_p - elbo > 4 * elbo_error).all()
    bound, bound_error = bounds(300, 100)
    assert ((bound - log_p).abs() < 4 * bound_error + 0.002).all()


@pytest.mark.parametrize(
    ("support", "likelihood", "k"),
    [("bits", "auto", 1), ("bits", "auto", 3), ("unit", "gaussian", 1), ("real", "auto", 1)],
)
def test_the_gradient_matches_finite_differences_and_reaches_every_parameter(support, likelihood, k):
    model = build((7, 5), support, likelihood=likelihood, k=k)
    x = images(4, 7, 5).round()
    names, values = zip(*model.named_parameters(), strict=True)

    def objective(*parameters):
        arguments = {f"model.{name}": value for name, value in zip(names, parameters, strict=True)}
        return torch.func.functional_call(Loss(model), arguments, (x,))

    assert torch.autograd.gradcheck(objective, values)
    parts(model, x)["loss"].backward()
    assert all((p.grad != 0).all() for p in model.parameters())


class Loss(torch.nn.Module):
    """The loss as a forward pass, which `functional_call` wants."""

    def __init__(self, model: VAE):
        super().__init__()
        self.model = model

    def forward(self, x):
        return parts(self.model, x)["loss"]


@pytest.mark.parametrize("shape", [(3, 5), (3, 3, 5)])
@pytest.mark.parametrize("support", ["unit", "real"])
def test_initialise_starts_every_value_of_the_output_at_its_own_mean(shape, support):
    train = images(6, *shape)
    model = build(shape, support)
    PLUGIN.initialise(model, train)
    with torch.no_grad():
        model.output.W_star.weight.zero_()
    x = PLUGIN.decode(model, torch.randn(2, 2, generator=seeded(), dtype=torch.float64), None, y=None)
    torch.testing.assert_close(x, train.mean(0).expand(2, *shape))


def test_a_few_epochs_of_the_defaults_explain_unseen_digits_better_than_independent_pixels():
    x = torch.from_numpy(load_digits().images / 16).float()
    x = x[torch.randperm(len(x), generator=seeded())]
    train, test = x[:899], zoo.bernoulli(x[899:], seeded(1))
    training, draws = PLUGIN.card.training, seeded(2)
    torch.manual_seed(0)
    model = PLUGIN.build(VAEConfig(network="conv"), zoo.DataSpec((8, 8), "unit"))
    PLUGIN.initialise(model, train)
    optimiser = torch.optim.Adam(model.parameters(), training.learning_rate)
    for _ in range(10):
        bits = zoo.bernoulli(train, draws)
        for batch in torch.randperm(len(train), generator=draws).split(training.batch_size):
            optimiser.zero_grad()
            PLUGIN.loss(model, bits[batch], draws, zoo.Step(), y=None)["loss"].backward()
            optimiser.step()
    (answer,) = PLUGIN.log_prob(model, test, seeded(3), VAEOptions(k=10), None, y=None)
    independent = Bernoulli(train.mean(0).clamp(1e-3, 1 - 1e-3)).log_prob(test).flatten(1).sum(1)
    gain = answer.nats - independent
    assert gain.mean() > 4 * gain.std() / math.sqrt(len(gain))


def test_a_trained_model_is_the_same_after_saving_and_loading(tmp_path):
    model = zoo.train("vae:network=conv,channels=[4],sample.k=5", "digits", steps=3, folder=tmp_path)
    loaded = zoo.load(tmp_path)
    assert loaded.config == VAEConfig(network="conv", channels=(4,))
    x = images(5, 8, 8).float()
    torch.testing.assert_close(loaded.reconstruct(x), model.reconstruct(x), rtol=0, atol=0)
    torch.testing.assert_close(loaded.sample(5, seed=1), model.sample(5, seed=1), rtol=0, atol=0)


@pytest.mark.parametrize("shape", [(64,), (2, 8, 8), (8, 8, 3), (1, 3, 8, 8)])
def test_what_is_no_image_is_refused(shape):
    with pytest.raises(zoo.ConfigError, match=r"network = conv is for images.*got .*network = mlp takes any shape"):
        build(shape)


@pytest.mark.parametrize(("shape", "most"), [((1, 1), 0), ((2, 2), 1), ((1, 9), 4), ((8, 8), 3), ((3, 17, 5), 5)])
def test_as_many_convolutions_are_taken_as_there_is_something_to_halve(shape, most):
    if most:
        x = images(2, *shape)
        model = build(shape, channels=(2,) * most)
        assert PLUGIN.decode(model, PLUGIN.encode(model, x, None, y=None), None, y=None).shape == x.shape
    with pytest.raises(zoo.ConfigError, match=rf"at most {most} convolutions for images of .*, got {most + 1}\."):
        build(shape, channels=(2,) * (most + 1))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"network": "conv", "hidden": [64]}, r"hidden needs network = mlp, got hidden = \[64\] with network = conv"),
        ({"network": "conv", "hidden": []}, r"hidden needs network = mlp, got hidden = \[\] with network = conv"),
        ({"channels": [8]}, r"channels needs network = conv, got channels = \[8\] with network = mlp"),
        ({"network": "conv", "channels": []}, "channels .*at least 1"),
        ({"network": "conv", "channels": [8, 0]}, "channels.1 must be greater than 0"),
    ],
)
def test_layers_of_the_other_network_and_empty_ones_are_refused(settings, message):
    with pytest.raises(zoo.ConfigError, match=message):
        VAEConfig.parse(settings, "vae")


@pytest.mark.parametrize("network", ["mlp", "conv"])
def test_a_config_that_spells_out_every_default_is_taken(network):
    config = VAEConfig(network=network)
    assert VAEConfig.parse(config.model_dump(mode="json"), "vae") == config
