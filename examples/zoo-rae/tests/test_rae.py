"""The regularised autoencoder against Jacobians, singular values and closed forms."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import Generator, Tensor, nn
from torch.distributions import MultivariateNormal, Normal
from zoo_rae.model import RAE, RAEConfig
from zoo_rae.plugin import RAEPlugin

import zoo

PLUGIN = RAEPlugin()


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def build(shape=(4,), support="real", **config) -> RAE:
    torch.manual_seed(0)
    return PLUGIN.build(RAEConfig(**{"hidden": (5,), "latent_dim": 2} | config), zoo.DataSpec(shape, support)).double()


@pytest.mark.parametrize("support", ["real", "unit"])
def test_the_gradient_penalty_is_the_squared_norm_of_the_jacobian_on_average_over_all_signs(support, monkeypatch):
    """Enumeration of all v in {−1, 1}⁴: the estimate is unbiased, and the mean over examples is taken."""
    model = build(support=support)
    x = torch.rand(3, 4, generator=seeded(), dtype=torch.float64)
    estimates = []
    for bits in product((0.0, 1.0), repeat=4):
        v = torch.tensor(bits, dtype=torch.float64).expand(3, 4)
        monkeypatch.setattr(zoo, "bernoulli", lambda p, generator, v=v: v)
        estimates.append(PLUGIN.loss(model, x, seeded())["regulariser"])
    norms = [torch.autograd.functional.jacobian(lambda z: model.decode(z[None])[0], z) for z in model.encode(x)]
    wanted = torch.stack(norms).square().sum((1, 2)).mean()
    torch.testing.assert_close(torch.stack(estimates).mean(), wanted)


def test_the_signs_are_fair():
    """With one output each draw gives the same; with two independent ones, v v' must average to 0."""
    model = build((2,), hidden=(), latent_dim=1)
    x = torch.rand(4000, 2, generator=seeded(), dtype=torch.float64)
    w = model.decoder[0].weight.detach().flatten()  # J = w, the estimate is (v·w)²
    found = PLUGIN.loss(model, x, seeded(1))["regulariser"].item()
    spread = 2 * (w[0] * w[1]).abs().item()
    assert found == pytest.approx(w.square().sum().item(), abs=4 * spread / 4000**0.5)


def test_the_objective_of_a_worked_example():
    model = build((1,), hidden=(), latent_dim=1, beta=0.5, penalty=3.0)
    with torch.no_grad():
        for layer, weight, bias in ((model.encoder[0], 2.0, 1.0), (model.decoder[0], -1.0, 0.5)):
            layer.weight.fill_(weight)
            layer.bias.fill_(bias)
    x = torch.tensor([[1.0], [0.0]]).double()  # z = 3 and 1, x̂ = −2.5 and −0.5
    losses = {name: value.item() for name, value in PLUGIN.loss(model, x, seeded()).items()}
    assert losses["error"] == pytest.approx((3.5**2 + 0.5**2) / 2)
    assert losses["code"] == pytest.approx((9 / 2 + 1 / 2) / 2)
    assert losses["regulariser"] == pytest.approx(1)
    assert losses["loss"] == pytest.approx(losses["error"] + 0.5 * losses["code"] + 3 * losses["regulariser"])


def test_l2_is_the_squared_norm_of_the_matrices_of_the_decoder():
    model = build(regulariser="l2")
    matrices = [value for name, value in model.named_parameters() if name.startswith("decoder") and value.ndim == 2]
    assert len(matrices) == 2
    wanted = sum(W.square().sum() for W in matrices)
    x = torch.rand(3, 4, generator=seeded(), dtype=torch.float64)
    torch.testing.assert_close(PLUGIN.loss(model, x, seeded())["regulariser"], wanted)


def test_without_a_regulariser_it_is_an_autoencoder_with_small_codes():
    model = build(regulariser="none", beta=0.25, penalty=9.0)
    x = torch.rand(3, 4, generator=seeded(), dtype=torch.float64)
    z = model.encode(x)
    wanted = ((model.decode(z) - x).square().sum() + 0.25 * z.square().sum() / 2) / 3
    torch.testing.assert_close(PLUGIN.loss(model, x, seeded())["loss"], wanted)


def test_spectral_normalisation_makes_the_largest_singular_value_of_each_decoder_matrix_one():
    model = build((20,), regulariser="spectral", hidden=(30, 10), latent_dim=5).train()
    x = torch.rand(6, 20, generator=seeded(), dtype=torch.float64)
    for _ in range(200):  # each a step of the power iteration
        PLUGIN.loss(model, x, seeded())
    model.eval()
    decoder = [layer for layer in model.decoder if isinstance(layer, nn.Linear)]
    for layer in decoder:
        assert torch.linalg.matrix_norm(layer.weight, 2).item() == pytest.approx(1, abs=1e-4)
    encoder = [layer for layer in model.encoder if isinstance(layer, nn.Linear)]
    assert len(decoder) == len(encoder) == 3
    assert all(abs(torch.linalg.matrix_norm(layer.weight, 2).item() - 1) > 0.01 for layer in encoder)


def test_the_objective_is_available_without_gradients():
    model, x = build().eval(), torch.rand(3, 4, generator=seeded(), dtype=torch.float64)
    wanted = PLUGIN.loss(model, x, seeded())["loss"]
    with torch.no_grad():
        torch.testing.assert_close(PLUGIN.loss(model, x, seeded())["loss"], wanted)


class StandardNormal:
    """N(0, I) in two dimensions, as an attached density."""

    def sample(self, n: int, generator: Generator) -> Tensor:
        return torch.randn(n, 2, generator=generator, dtype=torch.float64)

    def log_prob(self, z: Tensor) -> Tensor:
        return Normal(0.0, 1.0).log_prob(z).sum(1)


def test_the_bound_of_a_linear_decoder_is_its_gaussian_likelihood():
    """p(x) = N(b, W Wᵀ + σ² I); the proposal is the posterior but for the error of its moments from draws."""
    model = build(hidden=()).requires_grad_(False)
    W, b = model.decoder[0].weight, model.decoder[0].bias
    x = torch.randn(6, 4, generator=seeded(3), dtype=torch.float64)
    options = zoo.DeclaredNoise(decoder_noise="gaussian", sigma=0.7, k=10_000)
    (answer,) = PLUGIN.log_prob(model, x, seeded(), options, StandardNormal())
    wanted = MultivariateNormal(b, W @ W.T + 0.49 * torch.eye(4).double()).log_prob(x)
    torch.testing.assert_close(answer.nats, wanted, rtol=0, atol=0.02)
    assert (answer.kind, answer.declared) == ("lower", True)


def test_the_bound_on_bits_is_that_of_integration_over_the_code():
    model = build((3,), "bits").requires_grad_(False)
    for parameter in model.parameters():
        parameter.mul_(2)
    x = torch.tensor(list(product((0.0, 1.0), repeat=3))).double()
    side = torch.arange(-6, 6, 0.05, dtype=torch.float64)
    grid = torch.cartesian_prod(side, side)
    p = model.decode(grid)
    joint = (x[:, None] * p + (1 - x[:, None]) * (1 - p)).prod(2) * StandardNormal().log_prob(grid).exp() * 0.05**2
    (answer,) = PLUGIN.log_prob(model, x, seeded(), zoo.DeclaredNoise(k=4000), StandardNormal())
    torch.testing.assert_close(answer.nats, joint.sum(1).log(), rtol=0, atol=0.02)


def test_a_likelihood_needs_a_density_and_a_noise():
    x = torch.zeros(1, 4)
    with pytest.raises(zoo.Unsupported, match=r"rae@gmm:sample.decoder_noise=bernoulli"):
        PLUGIN.log_prob(build(support="unit"), x, seeded(), zoo.DeclaredNoise(), None)
    with pytest.raises(zoo.Unsupported, match=r"rae@gmm:sample.decoder_noise=gaussian"):
        PLUGIN.log_prob(build(), x, seeded(), zoo.DeclaredNoise(), StandardNormal())
    with pytest.raises(zoo.Unsupported, match="attach a latent density: rae@gmm"):
        PLUGIN.sample()
