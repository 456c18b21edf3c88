"""RealNVP against the Jacobian of autograd, its exact inverse, and numerical integration in two dimensions."""

from __future__ import annotations

import math

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Generator, Tensor
from torch.distributions import MultivariateNormal, Normal
from zoo_realnvp.model import Coupling, RealNVP, RealNVPConfig, checkerboard, levels, log_standard_normal
from zoo_realnvp.plugin import RealNVPPlugin, bits_per_dimension

import zoo

PLUGIN = RealNVPPlugin()


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def build(shape=(5,), support="real", scale=0.5, n=0, **config) -> RealNVP:
    """A RealNVP with random weights everywhere, far from the identity; n levels of data in [0, 1]."""
    model = PLUGIN.build(RealNVPConfig(**{"couplings": 4, "hidden": (8,)} | config), zoo.DataSpec(shape, support))
    with torch.no_grad():
        for parameter in model.double().parameters():
            parameter.copy_(scale * torch.randn(parameter.shape, generator=seeded(1), dtype=torch.float64))
        model.n.fill_(n)
    return model.eval()


def examples(count=7, shape=(5,), support="real") -> Tensor:
    x = torch.rand(count, *shape, generator=seeded(9), dtype=torch.float64)
    return {"real": 4 * x - 2, "unit": x, "bits": x.round()}[support]


def nats(model: RealNVP, x: Tensor, prior=None) -> Tensor:
    (answer,) = PLUGIN.log_prob(model, x, prior)
    assert answer.kind == "exact"
    return answer.nats.detach()


@pytest.mark.parametrize("hidden", [(), (8,), (8, 6)])
def test_the_log_determinant_of_a_coupling_is_that_of_its_jacobian_and_the_masked_half_passes(hidden):
    b = torch.tensor([1.0, 0.0, 0.0, 1.0, 0.0], dtype=torch.float64)
    coupling = Coupling(b, hidden).double()
    with torch.no_grad():
        for parameter in coupling.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=seeded(2), dtype=torch.float64))
    for h in examples():
        J = torch.autograd.functional.jacobian(lambda h: coupling(h[None])[0][0], h)
        torch.testing.assert_close(coupling(h[None])[1][0], J.det().abs().log())
        torch.testing.assert_close(J[b == 1], torch.eye(5, dtype=torch.float64)[b == 1])
        assert torch.equal(coupling(h[None])[0][0][b == 1], h[b == 1])


def test_s_is_within_r_and_a_new_coupling_is_the_identity():
    coupling = Coupling(torch.tensor([1.0, 0.0]), (4,))
    h = torch.randn(9, 2, generator=seeded())
    out, log_det = coupling(h)
    assert torch.equal(out, h)
    assert torch.equal(log_det, torch.zeros(9))
    with torch.no_grad():
        coupling.output.bias.fill_(50.0)
        coupling.r.fill_(0.3)
    torch.testing.assert_close(coupling(h)[1], torch.full((9,), 0.3))


@pytest.mark.parametrize(("support", "n"), [("real", 0), ("unit", 0), ("unit", 17)])
def test_the_log_determinant_is_that_of_the_jacobian_of_the_whole_map(support, n):
    model = build(support=support, n=n)
    for y in examples(support=support):
        J = torch.autograd.functional.jacobian(lambda y: model.f(y[None])[0][0], y)
        torch.testing.assert_close(model.f(y[None])[1][0], J.det().abs().log())


@pytest.mark.parametrize("support", ["real", "unit"])
def test_the_inverse_is_exact_both_ways(support):
    model, y = build(support=support), examples(support=support)
    torch.testing.assert_close(model.f_inverse(model.f(y)[0]), y, rtol=0, atol=1e-10)
    z = torch.randn(7, 5, generator=seeded(), dtype=torch.float64)
    torch.testing.assert_close(model.f(model.f_inverse(z))[0], z, rtol=0, atol=1e-8)


def test_reconstructions_of_real_data_and_of_levels_are_exact():
    for support, n, x in [
        ("real", 0, examples()),
        ("unit", 0, examples(support="unit")),
        ("unit", 17, (16 * examples(support="unit")).round() / 16),
        ("bits", 2, examples(support="bits")),
    ]:
        model = build(support=support, n=n)
        torch.testing.assert_close(PLUGIN.decode(model, PLUGIN.encode(model, x, None)), x, rtol=0, atol=1e-10)
        drawn = PLUGIN.decode(model, PLUGIN.encode(model, x, seeded()))
        torch.testing.assert_close(drawn, x, rtol=0, atol=1e-10)


def test_a_value_depends_on_every_other_one_after_two_layers():
    model = build(couplings=3)
    J = torch.autograd.functional.jacobian(lambda y: model.f(y[None])[0][0], examples()[0])
    assert (J != 0).all()


def grid(low: float, high: float, step: float) -> Tensor:
    """The centres of cells of step × step, shape (count, 2)."""
    side = torch.arange(low + step / 2, high, step, dtype=torch.float64)
    return torch.cartesian_prod(side, side)


def test_the_density_integrates_to_one_in_two_dimensions():
    model = build((2,), scale=0.3)
    assert nats(model, grid(-15, 15, 0.05)).exp().sum().item() * 0.05**2 == pytest.approx(1, abs=1e-6)


def test_the_density_of_dequantised_values_integrates_to_one_over_what_decodes():
    model, edge = build((2,), "unit", scale=0.3), 0.05 / 0.9  # y in (−α, 1 + α) / (1 − 2α) is all that f⁻¹ reaches
    with torch.no_grad():
        y = grid(-edge, 1 + edge, 2e-3)
        total = model.log_prob(y).exp().sum().item() * 2e-3**2
    assert total == pytest.approx(1, abs=1e-3)


def test_samples_have_the_moments_of_the_density():
    model, n = build((2,), scale=0.3), 40_000
    x, cells = PLUGIN.sample(model, n, seeded()).detach(), grid(-15, 15, 0.05)
    p = nats(model, cells).exp() * 0.05**2
    for moment in (lambda x: x, torch.square, lambda x: x[:, :1] * x[:, 1:]):
        found, wanted = moment(x), (p[:, None] * moment(cells)).sum(0)
        assert ((found.mean(0) - wanted).abs() < 5 * found.std(0) / math.sqrt(n) + 1e-6).all()


def test_one_linear_coupling_is_a_gaussian_in_closed_form():
    model = build((2,), couplings=1, hidden=())  # z_1 = u_1, z_2 = u_2 e^s + t(u_1), u = (x − m) e^{−a}
    with torch.no_grad():
        model.couplings[0].output.weight[:2] = 0.0  # s is constant
    s, t = model.couplings[0].s_and_t(torch.eye(2, dtype=torch.float64))
    t0 = model.couplings[0].output.bias[3]
    J = torch.stack([torch.stack([torch.ones(()), torch.zeros(())]), torch.stack([t[0, 1] - t0, s[0, 1].exp()])])
    J = (J * (-model.a).exp()).detach()
    mean = (model.m + torch.linalg.solve(J, -torch.stack([torch.zeros(()), t0]))).detach()
    x = examples(shape=(2,))
    wanted = MultivariateNormal(mean, precision_matrix=J.T @ J).log_prob(x)
    torch.testing.assert_close(nats(model, x), wanted)


def test_an_attached_latent_density_takes_the_place_of_the_standard_normal():
    class Narrow:
        def log_prob(self, z):
            return Normal(0.5, 0.7).log_prob(z).sum(1)

    model, x = build(), examples()
    z = PLUGIN.encode(model, x, None)
    wanted = nats(model, x) - log_standard_normal(z) + Narrow().log_prob(z)
    torch.testing.assert_close(nats(model, x, Narrow()), wanted.detach())
    torch.testing.assert_close(PLUGIN.log_prob_codes(z), Normal(0.0, 1.0).log_prob(z).sum(1))


def test_bits_and_grey_values_have_no_likelihood():
    for support in ("bits", "unit"):
        with pytest.raises(zoo.Unsupported, match="likelihoods of data in .0, 1. are those of bits"):
            PLUGIN.log_prob(build(support=support), examples(support=support), None)


def test_dequantised_values_are_uniform_in_the_bin_of_their_level():
    model, x = build((1,), "unit", n=17), torch.full((20_000, 1), 3 / 16, dtype=torch.float64)
    y = 17 * model.dequantise(x, seeded()) - 3
    assert y.min() >= 0
    assert y.max() < 1
    assert abs(y.mean().item() - 0.5) < 5 / math.sqrt(12 * len(y))
    assert model.dequantise(x[:1], None).item() == pytest.approx(3.5 / 17)


def test_every_point_of_a_bin_goes_back_to_its_level_and_what_lies_outside_to_the_nearest():
    model = build((1,), "unit", n=3)
    y = torch.tensor([-0.05, 0.0, 0.3, 0.34, 0.6, 0.67, 0.99, 1.05], dtype=torch.float64)[:, None]
    assert model.quantise(y).flatten().tolist() == [0, 0, 0, 0.5, 0.5, 1, 1, 1]


def test_levels_are_those_of_the_grid_that_all_values_are_on():
    assert levels(torch.arange(17) / 16) == 17
    assert levels(torch.arange(256, dtype=torch.float32) / 255) == 256
    assert levels(torch.tensor([0.0, 1.0, 1.0])) == 2
    assert levels(torch.tensor([0.0, 0.25, 1.0])) == 5
    assert levels(torch.tensor([0.0, 0.3, 1.0])) == 0
    assert levels(torch.rand(500, generator=seeded())) == 0
    assert levels(torch.full((4,), 0.5)) == 0


def test_checkerboards_alternate_along_every_side():
    assert checkerboard((3,)).tolist() == [1, 0, 1]
    assert checkerboard((2, 3)).tolist() == [1, 0, 1, 0, 1, 0]
    assert checkerboard((2, 2, 2)).tolist() == [1, 0, 0, 1, 0, 1, 1, 0]


@pytest.mark.parametrize("support", ["real", "unit", "bits"])
def test_initialise_starts_at_the_moments_of_the_data(support):
    train = examples(200, support=support)
    model = PLUGIN.build(RealNVPConfig(), zoo.DataSpec((5,), support)).double()
    PLUGIN.initialise(model, train)
    z = PLUGIN.encode(model, train, None).detach()
    torch.testing.assert_close(z.mean(0), torch.zeros(5, dtype=torch.float64))
    torch.testing.assert_close(z.var(0, correction=0), torch.ones(5, dtype=torch.float64))
    assert model.n.item() == {"real": 0, "unit": 0, "bits": 2}[support]


def test_a_constant_value_starts_with_a_finite_density():
    model = PLUGIN.build(RealNVPConfig(), zoo.DataSpec((2,), "real"))
    x = torch.stack([torch.ones(50), torch.randn(50, generator=seeded())], dim=1)
    PLUGIN.initialise(model, x)
    assert nats(model, x).isfinite().all()
    assert model.a[0].exp().item() == pytest.approx(0.01)


@pytest.mark.parametrize(("support", "n"), [("real", 0), ("unit", 17)])
def test_the_loss_is_minus_the_mean_log_density(support, n):
    model, x = build(support=support, n=n), examples(support=support)
    wanted = -model.log_prob(model.dequantise(x, seeded(4))).mean()
    torch.testing.assert_close(PLUGIN.loss(model, x, seeded(4))["loss"], wanted)


def test_samples_are_decoded_codes_in_the_datas_range():
    for support, n in (("real", 0), ("unit", 0), ("unit", 17), ("bits", 2)):
        model = build((2, 3), support, n=n)
        x = PLUGIN.sample(model, 50, seeded(5))
        assert torch.equal(x, PLUGIN.decode(model, PLUGIN.sample_codes(model, 50, seeded(5))))
        assert x.shape == (50, 2, 3)
        if support != "real":
            assert 0 <= x.min() < x.max() <= 1
        if n:
            torch.testing.assert_close(x * (n - 1), (x * (n - 1)).round())


def test_the_diagnosis_counts_bits_per_dimension_of_levels_and_nats_of_other_data():
    real, grey, x = build(), build(support="unit", n=17), examples(20)
    found = PLUGIN.diagnose(real, x[:10], x[10:], seeded())
    assert found["log p(x) (training)"] == pytest.approx(nats(real, x[:10]).mean().item())
    assert found["log p(x) (validation)"] == pytest.approx(nats(real, x[10:]).mean().item())
    z = PLUGIN.encode(real, x[10:], None)
    assert found["mean square of the codes (validation)"] == pytest.approx(z.square().mean().item())
    x = (16 * examples(20, support="unit")).round() / 16
    found = PLUGIN.diagnose(grey, x[:10], x[10:], seeded(3))
    p = grey.log_prob(grey.dequantise(x[:10], seeded(3))).exp() / 17**5  # of a bin: density times volume
    assert found["bits per dimension of 17 levels (training)"] == pytest.approx(-p.log2().mean().item() / 5)


def test_bits_per_dimension_of_a_uniform_density_and_of_a_standard_normal_by_hand():
    """A uniform density of y has log₂ 256 = 8 bits per pixel; N(0, 1) at x = 0 has ½ log₂ 2π = 1.3257 bits."""
    assert bits_per_dimension(0.0, 784, 256) == 8
    assert bits_per_dimension(-3 * math.log(2), 3) == pytest.approx(1)
    model = PLUGIN.build(RealNVPConfig(), zoo.DataSpec((2, 3), "real"))  # the identity
    (answer,) = PLUGIN.log_prob(model, torch.zeros(4, 2, 3), None)
    assert answer.method == "change of variables; 1.326 bits per dimension of the standardised values"


def test_the_method_has_the_mean_bits_per_dimension():
    model, x = build((2, 3)), examples(20, (2, 3))
    (answer,) = PLUGIN.log_prob(model, x, None)
    wanted = -answer.nats.mean().item() / (6 * math.log(2))
    assert answer.method == f"change of variables; {wanted:.3f} bits per dimension of the standardised values"


def test_the_gradient_matches_finite_differences():
    model, x = build((3,), couplings=2, hidden=()), examples(4, (3,))
    names, values = zip(*model.named_parameters(), strict=True)

    class Loss(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, x):
            return PLUGIN.loss(self.model, x, seeded())["loss"]

    def objective(*parameters):
        arguments = {f"model.{name}": value for name, value in zip(names, parameters, strict=True)}
        return torch.func.functional_call(Loss(), arguments, (x,))

    assert torch.autograd.gradcheck(objective, values)


def test_a_few_epochs_of_the_defaults_find_unseen_digits_likelier_than_independent_gaussians():
    x = torch.from_numpy(load_digits().images / 16).float()
    x = x[torch.randperm(len(x), generator=seeded())]
    train, test = x[:899], x[899:]
    training, draws = PLUGIN.card.training, seeded(2)
    torch.manual_seed(0)
    model = PLUGIN.build(RealNVPConfig(), zoo.DataSpec((8, 8), "unit"))
    PLUGIN.initialise(model, train)
    with torch.no_grad():
        independent = model.log_prob(model.dequantise(test, seeded(3)))
    optimiser = torch.optim.Adam(model.parameters(), training.learning_rate)
    for _ in range(10):
        for batch in torch.randperm(len(train), generator=draws).split(training.batch_size):
            optimiser.zero_grad()
            PLUGIN.loss(model, train[batch], draws)["loss"].backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), training.clip)
            optimiser.step()
    with torch.no_grad():
        gain = model.log_prob(model.dequantise(test, seeded(3))) - independent
    assert gain.mean() > 10 + 4 * gain.std() / math.sqrt(len(gain))
