"""The Wasserstein autoencoder against enumeration, integration and closed forms."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import Generator, Tensor
from torch.distributions import MultivariateNormal, Normal
from zoo_wae.model import WAE, StandardNormal, WAEConfig, kernel, mmd_squared
from zoo_wae.plugin import WAEPlugin

import zoo

PLUGIN = WAEPlugin()


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def build(shape=(4,), support="real", **config) -> WAE:
    torch.manual_seed(0)
    model = PLUGIN.build(WAEConfig(**{"hidden": (), "latent_dim": 2} | config), zoo.DataSpec(shape, support)).double()
    return model.requires_grad_(False)


def test_the_kernel_of_a_worked_example_is_the_sum_over_scales():
    z, other = torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, 2.0], [2.0, 4.0]])
    scales = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
    wanted = sum(4 * s / (4 * s + 5) for s in scales)  # 2 H s = 4 s, and ‖z − z'‖² = 5
    torch.testing.assert_close(kernel(z, other), torch.tensor([[7.0, wanted]]))


def test_the_estimate_is_unbiased_by_enumeration_of_all_draws():
    """Two distributions over three points: E over all 3³ × 3³ pairs of samples is Σ_ij (p_i − q_i)(p_j − q_j) k_ij."""
    points = torch.tensor([[0.0, 1.0], [2.0, -1.0], [0.5, 3.0]]).double()
    p, q = torch.tensor([[0.2, 0.5, 0.3], [0.6, 0.1, 0.3]], dtype=torch.float64)
    mean = 0.0
    for drawn in product(range(3), repeat=3):
        for other in product(range(3), repeat=3):
            weight = p[list(drawn)].prod() * q[list(other)].prod()
            mean += weight * mmd_squared(points[list(drawn)], points[list(other)])
    wanted = (p - q) @ kernel(points, points) @ (p - q)
    assert mean.item() == pytest.approx(wanted.item(), rel=1e-12)


def test_its_mean_for_two_normals_is_that_of_integration():
    grid = torch.arange(-9, 9, 0.05, dtype=torch.float64)
    difference = (Normal(1.0, 0.5).log_prob(grid).exp() - Normal(0.0, 1.0).log_prob(grid).exp()) * 0.05
    wanted = difference @ kernel(grid[:, None], grid[:, None]) @ difference
    draws = torch.randn(2, 2000, 20, 1, generator=seeded(), dtype=torch.float64)
    found = torch.stack([mmd_squared(1 + 0.5 * z, other) for z, other in zip(*draws, strict=True)])
    assert (found.mean() - wanted).abs() < 4 * found.std() / 2000**0.5


def test_the_objective_is_the_mean_squared_error_plus_lambda_times_the_penalty():
    model = build((2,), latent_dim=1, penalty=3.0)
    model.encoder[0].weight.copy_(torch.tensor([[1.0, 2.0]]))
    model.encoder[0].bias.copy_(torch.tensor([0.5]))
    model.decoder[0].weight.copy_(torch.tensor([[1.0], [-1.0]]))
    model.decoder[0].bias.copy_(torch.tensor([0.0, 1.0]))
    x = torch.tensor([[1.0, 1.0], [0.0, -1.0]]).double()
    losses = PLUGIN.loss(model, x, seeded(4))
    z, z_tilde = torch.tensor([[3.5], [-1.5]]).double(), torch.randn(2, 1, generator=seeded(4), dtype=torch.float64)
    k, error = kernel, (2.5**2 + 3.5**2 + 1.5**2 + 3.5**2) / 2
    mmd = k(z[:1], z[1:]) + k(z_tilde[:1], z_tilde[1:]) - 2 / 4 * k(z, z_tilde).sum()
    assert losses["error"].item() == pytest.approx(error)
    assert losses["mmd"].item() == pytest.approx(mmd.item())
    assert losses["loss"].item() == pytest.approx(error + 3 * mmd.item())
    alone = PLUGIN.loss(model, x[:1], seeded(4))
    assert alone["loss"].item() == pytest.approx(2.5**2 + 3.5**2)


def test_training_makes_the_codes_standard_normal():
    """Correlated data with a spread of 1 to 3; without the penalty the codes keep some other distribution."""
    x = torch.randn(400, 4, generator=seeded()) @ torch.randn(4, 4, generator=seeded(1))
    data = zoo.Data.from_arrays(x, name="a table", support="real")
    distances = {}
    for penalty in (0.0, 10.0):
        text = f"wae:latent_dim=2,hidden=[32],penalty={penalty}"
        z = zoo.train(text, data, steps=600, seed=0, progress=False).encode(data.train)
        distances[penalty] = mmd_squared(z, torch.randn(z.shape, generator=seeded(2))).item()
    assert distances[10.0] < 0.02 < distances[0.0]


def test_samples_decode_draws_of_the_prior():
    model = build()
    z = PLUGIN.sample_codes(model, 5, seeded(2))
    torch.testing.assert_close(z, torch.randn(5, 2, generator=seeded(2), dtype=torch.float64))
    torch.testing.assert_close(PLUGIN.sample(model, 5, seeded(2)), model.decode(z))
    torch.testing.assert_close(PLUGIN.log_prob_codes(z), Normal(0.0, 1.0).log_prob(z).sum(1))


def test_the_bound_of_a_linear_decoder_is_its_gaussian_likelihood():
    """p(x) = N(b, W Wᵀ + σ² I); the proposal is the posterior but for the error of its moments from draws."""
    model = build()
    W, b = model.decoder[0].weight, model.decoder[0].bias
    x = torch.randn(6, 4, generator=seeded(3), dtype=torch.float64)
    options = zoo.DeclaredNoise(decoder_noise="gaussian", sigma=0.7, k=10_000)
    (answer,) = PLUGIN.log_prob(model, x, seeded(), options, None)
    wanted = MultivariateNormal(b, W @ W.T + 0.49 * torch.eye(4).double()).log_prob(x)
    torch.testing.assert_close(answer.nats, wanted, rtol=0, atol=0.02)
    assert (answer.kind, answer.declared) == ("lower", True)


def test_the_bound_on_bits_is_that_of_integration_over_the_code():
    model = build((3,), "bits", latent_dim=1, hidden=(5,))
    for parameter in model.parameters():
        parameter.mul_(2)
    x = torch.tensor(list(product((0.0, 1.0), repeat=3))).double()
    grid = torch.arange(-8, 8, 0.01, dtype=torch.float64)[:, None]
    p = model.decode(grid)
    joint = (x[:, None] * p + (1 - x[:, None]) * (1 - p)).prod(2) * StandardNormal(1).log_prob(grid).exp() * 0.01
    (answer,) = PLUGIN.log_prob(model, x, seeded(), zoo.DeclaredNoise(k=4000), None)
    torch.testing.assert_close(answer.nats, joint.sum(1).log(), rtol=0, atol=0.02)


def test_an_attached_density_takes_the_place_of_the_prior():
    """The same model with codes twice as far apart: p(z) = N(0, 4 I)."""

    class Wide:
        def sample(self, n: int, generator: Generator) -> Tensor:
            return 2 * StandardNormal(2).sample(n, generator)

        def log_prob(self, z: Tensor) -> Tensor:
            return Normal(0.0, 2.0).log_prob(z).sum(1)

    model, x = build(), torch.randn(6, 4, generator=seeded(3), dtype=torch.float64)
    W, b = model.decoder[0].weight, model.decoder[0].bias
    (answer,) = PLUGIN.log_prob(model, x, seeded(), zoo.DeclaredNoise(decoder_noise="gaussian", k=10_000), Wide())
    wanted = MultivariateNormal(b, 4 * W @ W.T + torch.eye(4).double()).log_prob(x)
    torch.testing.assert_close(answer.nats, wanted, rtol=0, atol=0.02)


def test_real_data_need_a_declared_noise():
    with pytest.raises(zoo.Unsupported, match=r"declare it: wae:sample.decoder_noise=gaussian"):
        PLUGIN.log_prob(build(), torch.zeros(1, 4), seeded(), zoo.DeclaredNoise(), None)
    with pytest.raises(zoo.Unsupported, match=r"decoder_noise must be bernoulli .*, got gaussian"):
        PLUGIN.log_prob(
            build(support="unit"), torch.zeros(1, 4), seeded(), zoo.DeclaredNoise(decoder_noise="gaussian"), None
        )
