"""Every flow against the Jacobian of autograd, its inverse, and numerical integration in two dimensions."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator, Tensor
from torch.distributions import MultivariateNormal, Normal
from zoo_zuko.flows import build_flow
from zoo_zuko.model import Zuko, ZukoConfig, log_standard_normal
from zoo_zuko.plugin import ZukoPlugin, bits_per_dimension

import zoo

PLUGIN = ZukoPlugin()
FLOWS = ["nsf", "maf", "nice", "naf", "unaf", "sospf", "bpf", "gf", "cnf"]
IDENTITY = ["nsf", "maf", "nice", "bpf", "cnf"]  # at the start
MEAN, SD = 1000.0, 50.0
_NOISE = {"naf": 0.1}  # more makes it so steep that values leave [-10, 10], where its inverse is searched


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def build(flow="maf", shape=(2,), support="real", n=0, noise=0.3, train=None, **config) -> Zuko:
    """A flow in float64 whose weights have noise, for data with mean 1000 and standard deviation 50."""
    torch.manual_seed(0)
    config = {"transforms": 2, "hidden": (16,), "passes": 0} | config
    model = PLUGIN.build(ZukoConfig(flow=flow, **config), zoo.DataSpec(shape, support)).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(
                noise * _NOISE.get(flow, 1.0) * torch.randn(parameter.shape, generator=seeded(1), dtype=torch.float64)
            )
        model.initialise(examples(300, shape, support) if train is None else train, seeded(2))
        model.n.fill_(n)
    return model.eval()


def examples(count=7, shape=(2,), support="real") -> Tensor:
    if support == "real":
        return MEAN + SD * torch.randn(count, *shape, generator=seeded(9), dtype=torch.float64)
    x = torch.rand(count, *shape, generator=seeded(9), dtype=torch.float64)
    return x if support == "unit" else x.round()


def nats(model: Zuko, x: Tensor, prior=None) -> Tensor:
    (answer,) = PLUGIN.log_prob(model, x, prior)
    assert answer.kind == "exact"
    return answer.nats


def grid(flow: str) -> tuple[Tensor, float]:
    """Centres of cells in the plane, shape (count, 2), and their area in data units."""
    step = 0.1 if flow in ("nsf", "bpf") else 0.2  # the others are smooth
    end = 20 if flow == "sospf" else 8  # standard deviations; the clipping between its polynomials makes heavy tails
    side = torch.arange(-end + step / 2, end, step, dtype=torch.float64)
    return MEAN + SD * torch.cartesian_prod(side, side), (SD * step) ** 2


def test_importing_the_package_leaves_the_validation_of_torchs_distributions_on():
    with pytest.raises(ValueError, match="scale"):
        Normal(0.0, -1.0)


@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize(("support", "n"), [("real", 0), ("unit", 17)])
def test_the_log_determinant_is_that_of_the_jacobian_of_the_whole_map(flow, support, n):
    model = build(flow, (3,), support, n)
    for y in examples(3, (3,), support):
        J = torch.autograd.functional.jacobian(lambda y: model.f(y[None])[0][0], y)
        wanted = J.det().abs().log()
        torch.testing.assert_close(
            model.f(y[None])[1][0].detach(), wanted, rtol=0, atol=5e-3 if flow == "cnf" else 1e-8
        )


@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize("shape", [(1,), (3,)])
def test_the_inverse_gives_the_values_back(flow, shape):
    model, y = build(flow, shape), examples(20, shape)
    z, _ = model.f(y)
    torch.testing.assert_close(model.f_inverse(z.detach()).detach(), y, rtol=0, atol=0.05)  # of 50: a search, or an ODE


@pytest.mark.parametrize("flow", FLOWS)
def test_the_density_integrates_to_one_and_samples_have_its_moments_and_its_entropy(flow):
    """For data with mean 1000 and standard deviation 50, in their own units."""
    model, (cells, area) = build(flow, noise=0.1), grid(flow)
    log_p = nats(model, cells)
    p = log_p.exp() * area
    assert p.sum().item() == pytest.approx(1, abs=2e-3)
    n = 200 if flow == "unaf" else 3_000  # its inverse searches for the zero of an integral
    x = PLUGIN.sample(model, n, seeded()).detach()
    for found, values in (
        ((x - MEAN) / SD, (cells - MEAN) / SD),
        (((x - MEAN) / SD).square(), ((cells - MEAN) / SD).square()),
        (((x - MEAN) / SD).prod(1, keepdim=True), ((cells - MEAN) / SD).prod(1, keepdim=True)),
        (nats(model, x)[:, None], log_p[:, None]),
    ):
        wanted = (p[:, None] * values.nan_to_num(neginf=0.0)).sum(0)
        assert ((found.mean(0) - wanted).abs() < 5 * found.std(0) / math.sqrt(n) + 5e-3).all()


@pytest.mark.parametrize("flow", IDENTITY)
def test_a_new_flow_is_the_identity(flow):
    torch.manual_seed(0)
    f, x = build_flow(flow, 3).double(), 3 * torch.randn(9, 3, generator=seeded(), dtype=torch.float64)
    z, log_det = f().transform.call_and_ladj(x)
    torch.testing.assert_close(z.detach(), x, rtol=0, atol=1e-4)
    torch.testing.assert_close(log_det.detach(), torch.zeros(9, dtype=torch.float64), rtol=0, atol=1e-4)


def test_an_untrained_model_of_real_data_is_a_gaussian_with_their_moments():
    train = examples(200)
    model = build("maf", noise=0.0, train=train)
    wanted = MultivariateNormal(train.mean(0), torch.diag(train.var(0, correction=0))).log_prob(train)
    torch.testing.assert_close(nats(model, train), wanted)


def test_the_scale_brings_every_training_value_into_the_box_of_splines():
    train = torch.cat([examples(200), torch.tensor([[MEAN + 40 * SD, MEAN]], dtype=torch.float64)])
    model = build(train=train)
    w = (train - model.m) / model.s
    assert w[:, 0].abs().max().item() == pytest.approx(5)
    assert w[:, 1].square().mean().item() == pytest.approx(1)  # no outlier: its standard deviation
    constant = build(train=torch.full((9, 2), 3.0, dtype=torch.float64))
    assert constant.s.tolist() == [0.01, 0.01]


@pytest.mark.parametrize(("support", "n"), [("unit", 17), ("bits", 2)])
def test_examples_on_levels_are_reconstructed_exactly_and_samples_lie_on_them(support, n):
    model, x = build("nsf", (2, 3), support, n), examples(7, (2, 3), support)
    x = (x * (n - 1)).round() / (n - 1)
    for draws in (None, seeded()):
        torch.testing.assert_close(PLUGIN.decode(model, PLUGIN.encode(model, x, draws)), x, rtol=0, atol=1e-10)
    samples = PLUGIN.sample(model, 50, seeded(5)).detach() * (n - 1)
    torch.testing.assert_close(samples, samples.round())
    assert samples.min() >= 0
    assert samples.max() <= n - 1


def test_a_sample_costs_as_many_evaluations_as_the_transformation_has_passes():
    calls = []
    for passes, wanted in ((2, 2), (0, 6), (9, 6)):
        torch.manual_seed(0)
        f = build_flow("maf", 6, transforms=1, passes=passes)
        f.transform.transforms[0].hyper.register_forward_hook(lambda *_: calls.append(1))
        calls.clear()
        f().transform.inv(torch.randn(4, 6, generator=seeded()))
        assert len(calls) == wanted


def test_an_attached_latent_density_takes_the_place_of_the_standard_normal():
    class Narrow:
        def log_prob(self, z):
            return Normal(0.5, 0.7).log_prob(z).sum(1)

    model, x = build(), examples()
    z = PLUGIN.encode(model, x, None)
    wanted = nats(model, x) - log_standard_normal(z) + Narrow().log_prob(z)
    torch.testing.assert_close(nats(model, x, Narrow()), wanted)
    torch.testing.assert_close(PLUGIN.log_prob_codes(z), Normal(0.0, 1.0).log_prob(z).sum(1))


def test_bits_and_grey_values_have_no_likelihood():
    for support in ("bits", "unit"):
        with pytest.raises(zoo.Unsupported, match="likelihoods of data in .0, 1. are those of bits"):
            PLUGIN.log_prob(build(support=support), examples(support=support), None)


@pytest.mark.parametrize("flow", FLOWS)
def test_the_loss_is_minus_the_mean_log_density_and_its_gradient_that_of_finite_differences(flow):
    model, x = build(flow).train(), examples(6)
    loss = PLUGIN.loss(model, x, seeded())["loss"]
    torch.testing.assert_close(loss.detach(), -nats(model, x).mean(), rtol=0, atol=1e-5)
    parameters = list(model.parameters())
    gradients = torch.autograd.grad(loss, parameters)
    directions = [torch.randn(each.shape, generator=seeded(3), dtype=torch.float64) for each in parameters]
    values = []
    for sign in (1, -1):
        with torch.no_grad():
            for each, u in zip(parameters, directions, strict=True):
                each.add_(sign * 1e-5 * u)
            values.append(PLUGIN.loss(model, x, seeded())["loss"].item())
            for each, u in zip(parameters, directions, strict=True):
                each.sub_(sign * 1e-5 * u)
    along = sum((g * u).sum().item() for g, u in zip(gradients, directions, strict=True))
    assert along == pytest.approx((values[0] - values[1]) / 2e-5, rel=2e-2, abs=1e-3)


def test_the_diagnosis_counts_bits_per_dimension_of_levels_and_nats_of_other_data():
    real, grey, x = build(), build(support="unit", n=17), examples(20)
    found = PLUGIN.diagnose(real, x[:10], x[10:], seeded())
    assert found["log p(x) (training)"] == pytest.approx(nats(real, x[:10]).mean().item())
    z = PLUGIN.encode(real, x[10:], None)
    assert found["mean square of the codes (validation)"] == pytest.approx(z.square().mean().item())
    x = (16 * examples(20, support="unit")).round() / 16
    found = PLUGIN.diagnose(grey, x[:10], x[10:], seeded(3))
    p = grey.log_prob(grey.dequantise(x[:10], seeded(3))).detach().exp() / 17**2  # of a bin: density times volume
    assert found["bits per dimension of 17 levels (training)"] == pytest.approx(-p.log2().mean().item() / 2)
    assert bits_per_dimension(0.0, 784, 256) == 8  # of a uniform density
