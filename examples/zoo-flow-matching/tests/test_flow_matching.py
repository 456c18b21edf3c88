"""Flow matching against the closed form for Gaussian data, autograd, enumeration, and integration in two dimensions."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
from torch import Generator, Tensor, nn
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal, Normal
from zoo_flow_matching.model import (
    FlowMatching,
    FlowMatchingConfig,
    basis,
    integrate,
    log_standard_normal,
    quadratic_forms,
    signs,
)
from zoo_flow_matching.plugin import FlowMatchingOptions, FlowMatchingPlugin, standard_error

import zoo

PLUGIN = FlowMatchingPlugin()
SIGMA = 0.1


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


def build(shape=(3,), support="real", classes=0, **config) -> FlowMatching:
    """A model whose F is 0, in float64."""
    config = {"hidden": 8, "layers": 1, "sigma_min": SIGMA, "conditional": classes > 0} | config
    spec = zoo.DataSpec(shape, support, class_shares=(1 / classes,) * classes if classes else ())
    return PLUGIN.build(FlowMatchingConfig(**config), spec).double().eval()


def randomised(model: FlowMatching, scale: float = 0.5) -> FlowMatching:
    """The model with random weights everywhere, far from F = 0."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(scale * torch.randn(parameter.shape, generator=seeded(1), dtype=torch.float64))
    return model


def gaussian(m=(0.5, -1.0, 2.0), s=0.7, **config) -> FlowMatching:
    """The model, F = 0, of data N(m, s² I)."""
    model = build((len(m),), **config)
    model.m.copy_(torch.tensor(m))
    model.s.fill_(s)
    return model


def at(t: float) -> Tensor:
    return torch.full((1, 1), t, dtype=torch.float64)


def nats(model: FlowMatching, x: Tensor, y=None, prior=None, **options) -> Tensor:
    (answer,) = PLUGIN.log_prob(model, x, seeded(3), FlowMatchingOptions(**options), prior, y)
    assert answer.kind == "estimate"
    return answer.nats


# The field of Gaussian data


@pytest.mark.parametrize("t", [0.0, 0.3, 0.9, 1.0])
def test_without_f_the_field_is_the_conditional_mean_of_the_velocity_of_gaussian_data(t):
    """(ψ, u) is a linear map of (x_0, x_1), so E[u|ψ] is that of the joint normal distribution."""
    model, s = gaussian(), 0.7
    A = torch.tensor([[1 - (1 - SIGMA) * t, t], [-(1 - SIGMA), 1.0]], dtype=torch.float64)  # rows ψ, u
    C = A @ torch.diag(torch.tensor([1.0, s**2], dtype=torch.float64)) @ A.T
    x = normal(5, 3)
    wanted = model.m + C[1, 0] / C[0, 0] * (x - t * model.m)
    torch.testing.assert_close(model.v(at(t), x, None), wanted)


def test_the_loss_of_gaussian_data_is_the_mean_conditional_variance_and_no_other_field_has_less():
    """D ∫ s²/ρ_t² dt by quadrature; a change of F by δ adds D δ² ∫ s²/ρ_t² dt."""
    model, s, n = gaussian(), 0.7, 200_000
    x = model.m + s * normal(n, 3)
    t = (torch.arange(10_000, dtype=torch.float64) + 0.5) / 10_000
    least = 3 * (s**2 / ((1 - (1 - SIGMA) * t) ** 2 + t**2 * s**2)).mean().item()
    for delta in (0.0, 0.3, -0.3):
        model.network.output.bias.data.fill_(delta)
        loss = model.loss(x, None, seeded(2)).detach()
        assert abs(loss.mean().item() - least * (1 + delta**2)) < 5 * loss.std().item() / math.sqrt(n)


@pytest.mark.parametrize("solver", ["euler", "midpoint", "rk4"])
def test_the_flow_of_gaussian_data_ends_in_their_distribution_with_the_noise_of_sigma_min(solver):
    """x_t = t m + ρ_t x_0: samples of N(m, (s² + σ_min²) I), and exact codes."""
    model, z = gaussian(), normal(6, 3)
    wanted = model.m + math.sqrt(0.7**2 + SIGMA**2) * z
    tolerance = {"euler": 2e-2, "midpoint": 1e-4, "rk4": 1e-8}[solver]
    found = integrate(model.field(None), z, 0.0, 1.0, solver, 200)
    torch.testing.assert_close(found, wanted, rtol=0, atol=tolerance)
    torch.testing.assert_close(integrate(model.field(None), wanted, 1.0, 0.0, solver, 200), z, rtol=0, atol=tolerance)


def test_samples_have_the_moments_of_gaussian_data():
    model, n = gaussian(), 10_000
    x = PLUGIN.sample(model, n, seeded(5), FlowMatchingOptions(solver="rk4", steps=20), None).detach()
    sd = math.sqrt(0.7**2 + SIGMA**2)
    assert ((x.mean(0) - model.m).abs() < 5 * sd / math.sqrt(n)).all()
    covariance = (x - model.m).T @ (x - model.m) / n
    assert ((covariance - sd**2 * torch.eye(3)).abs() < 5 * sd**2 * math.sqrt(2 / n)).all()


@pytest.mark.parametrize("solver", ["euler", "midpoint", "rk4"])
def test_the_density_of_gaussian_data_is_that_of_torch(solver):
    model, x = gaussian(), 2 * normal(7, 3)
    wanted = Normal(model.m, math.sqrt(0.7**2 + SIGMA**2)).log_prob(x).sum(1)
    tolerance = {"euler": 0.03, "midpoint": 1e-4, "rk4": 1e-8}[solver]
    torch.testing.assert_close(nats(model, x, solver=solver), wanted, rtol=tolerance, atol=0)


def test_initialise_takes_the_moments_of_the_data():
    train = 3 + torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64) * normal(50, 3)
    model = build()
    PLUGIN.initialise(model, train)
    torch.testing.assert_close(model.m, train.mean(0))
    torch.testing.assert_close(model.s.square(), train.var(0, correction=0).mean())
    model = build((2, 2), "unit")
    PLUGIN.initialise(model, torch.tensor([[[0.0, 1.0], [0.5, 0.25]], [[1.0, 1.0], [0.5, 0.75]]], dtype=torch.float64))
    torch.testing.assert_close(model.m, torch.tensor([0.0, 1.0, 0.0, 0.0], dtype=torch.float64))
    assert model.s.item() == pytest.approx(math.sqrt((1 + 0.25) / 4))


# The objective


def test_the_loss_is_the_squared_error_on_the_straight_path_to_the_example():
    model, x, draws = randomised(build()), normal(4, 3), seeded(8)
    t = torch.rand(4, 1, generator=draws, dtype=torch.float64)
    x_0 = torch.randn(4, 3, generator=draws, dtype=torch.float64)

    def path(t):
        return (1 - (1 - SIGMA) * t) * x_0 + t * x

    velocity = (path(t + 0.5) - path(t - 0.5)).detach()  # of a straight line
    wanted = (model.v(t, path(t), None) - velocity).square().sum(1)
    torch.testing.assert_close(model.loss(x, None, seeded(8)), wanted)
    torch.testing.assert_close(path(torch.zeros(4, 1)), x_0)
    torch.testing.assert_close((path(torch.ones(4, 1)) - x), SIGMA * x_0)


def test_values_in_zero_to_one_are_learned_in_minus_one_to_one():
    unit, real = randomised(build(support="unit")), randomised(build())
    x = torch.rand(4, 3, generator=seeded(), dtype=torch.float64)
    torch.testing.assert_close(unit.loss(x, None, seeded(8)), real.loss(2 * x - 1, None, seeded(8)))
    torch.testing.assert_close(unit.from_line(unit.to_line(x)), x)
    assert unit.from_line(torch.tensor([[-1.5, 0.0, 1.5]])).tolist() == [[0.0, 0.5, 1.0]]


@pytest.mark.parametrize("p", [0.0, 0.4])
def test_labels_are_dropped_with_their_probability(p):
    model = randomised(build(classes=3, label_dropout=p))
    n = 10_000
    x, y = normal(1, 3).expand(n, 3), torch.arange(n) % 3
    loss, kept = model.loss(x, y, seeded(8)), randomised(build(classes=3, label_dropout=0.0)).loss(x, y, seeded(8))
    all_null = randomised(build(classes=3, label_dropout=0.0)).loss(x, torch.full_like(y, 3), seeded(8))
    dropped = loss != kept
    torch.testing.assert_close(loss[dropped], all_null[dropped])
    assert abs(dropped.double().mean().item() - p) <= 5 * math.sqrt(p * (1 - p) / n)


@pytest.mark.parametrize(("shape", "network"), [((3,), "mlp"), ((4, 4), "unet")])
def test_the_gradient_matches_finite_differences(shape, network):
    model = randomised(build(shape, classes=2, network=network, hidden=4, channels=2), 0.3)
    x, y = normal(3, *shape), torch.tensor([0, 1, 1])
    names, values = zip(*model.named_parameters(), strict=True)
    u = [torch.randn(value.shape, generator=seeded(6), dtype=torch.float64) for value in values]

    def loss(step):
        moved = {name: value + step * way for name, value, way in zip(names, values, u, strict=True)}
        moved = {f"model.{name}": value for name, value in moved.items()}

        class Loss(nn.Module):
            def __init__(self):
                super().__init__()
                self.model = model

            def forward(self):
                return PLUGIN.loss(self.model, x, seeded(4), y)["loss"]

        return torch.func.functional_call(Loss(), moved, ())

    gradients = torch.autograd.grad(loss(0.0), values)
    along = sum((gradient * way).sum() for gradient, way in zip(gradients, u, strict=True))
    with torch.no_grad():
        torch.testing.assert_close(along, (loss(1e-5) - loss(-1e-5)) / 2e-5, rtol=1e-6, atol=1e-6)


# Solvers and traces


@pytest.mark.parametrize(("solver", "order"), [("euler", 1), ("midpoint", 2), ("rk4", 4)])
def test_halving_the_steps_divides_the_error_by_two_to_the_order(solver, order):
    """dx/dt = A x + t: against the matrix exponential of the system with t as a third value."""
    A = torch.tensor([[0.1, 1.0, 0.5], [-1.0, 0.2, 0.0], [0.0, 0.0, 0.0]], dtype=torch.float64)

    def f(t, x):
        return x @ A[:2, :2].T + torch.tensor([0.5 * t, 0.0], dtype=torch.float64)

    x, system = normal(4, 2), torch.zeros(4, 4, dtype=torch.float64)
    system[:3, :3], system[2, 3] = A, 1.0  # d(t)/dt = 1
    exact = (torch.cat([x, torch.tensor([[0.0, 1.0]]).expand(4, 2)], 1) @ torch.matrix_exp(system).T)[:, :2]
    coarse, fine = ((integrate(f, x, 0.0, 1.0, solver, n) - exact).norm() for n in (20, 40))
    assert (coarse / fine).log2().item() == pytest.approx(order, abs=0.15)


def test_products_with_the_basis_average_to_the_trace_of_the_jacobian():
    model = randomised(build(classes=2))
    x, y = normal(4, 3), torch.tensor([0, 1, 0, 1])
    v, products = quadratic_forms(lambda x: model.field(y, 1.5)(0.4, x), x, basis(x))
    for i in range(4):
        J = torch.autograd.functional.jacobian(lambda x, i=i: model.field(y[i : i + 1], 1.5)(0.4, x[None])[0], x[i])
        torch.testing.assert_close(products.mean(0)[i], J.trace())
    torch.testing.assert_close(v, model.field(y, 1.5)(0.4, x).detach())


def test_the_mean_over_all_signs_is_the_trace_and_draws_are_signs():
    model, x = randomised(build()), normal(2, 3)
    every = torch.tensor(list(product([-1.0, 1.0], repeat=3)), dtype=torch.float64).unsqueeze(1).expand(8, 2, 3)
    _, products = quadratic_forms(lambda x: model.field(None)(0.4, x), x, every)
    _, exact = quadratic_forms(lambda x: model.field(None)(0.4, x), x, basis(x))
    torch.testing.assert_close(products.mean(0), exact.mean(0))
    drawn = signs(x, 20_000, seeded())
    assert drawn.unique().tolist() == [-1, 1]
    assert drawn.mean((0, 1)).abs().max().item() < 5 / math.sqrt(40_000)


# Densities


def grid(low: float, high: float, step: float) -> Tensor:
    """The centres of cells of step × step, shape (count, 2)."""
    side = torch.arange(low + step / 2, high, step, dtype=torch.float64)
    return torch.cartesian_prod(side, side)


def test_the_density_of_a_random_field_integrates_to_one_and_has_the_moments_of_samples():
    model, step, n = randomised(build((2,)), 0.2), 0.2, 10_000
    cells = grid(-9, 9, step)
    p = nats(model, cells, solver="rk4", likelihood_steps=20).exp() * step**2
    assert p.sum().item() == pytest.approx(1, abs=1e-4)
    x = PLUGIN.sample(model, n, seeded(), FlowMatchingOptions(solver="rk4", steps=20), None).detach()
    for moment in (lambda x: x, torch.square, lambda x: x[:, :1] * x[:, 1:]):
        found, wanted = moment(x), (p[:, None] * moment(cells)).sum(0)
        assert ((found.mean(0) - wanted).abs() < 5 * found.std(0) / math.sqrt(n) + 1e-4).all()


def test_a_trained_flow_has_the_density_of_two_gaussians():
    """KL(data ‖ model) by quadrature: 0.55 nats for N(m, s² I), the model before training."""
    truth = MixtureSameFamily(
        Categorical(torch.tensor([0.3, 0.7], dtype=torch.float64)),
        MultivariateNormal(
            torch.tensor([[-1.4, 0.0], [0.6, 0.5]], dtype=torch.float64),
            torch.diag_embed(torch.tensor([[0.16, 0.49], [0.25, 0.16]], dtype=torch.float64)),
        ),
    )
    draws, which = seeded(4), torch.rand(4000, generator=seeded(3)) < 0.3
    noise = torch.randn(4000, 2, generator=draws, dtype=torch.float64)
    first = torch.tensor([-1.4, 0.0]) + noise * torch.tensor([0.4, 0.7])
    second = torch.tensor([0.6, 0.5]) + noise * torch.tensor([0.5, 0.4])
    x = torch.where(which[:, None], first, second).float()
    torch.manual_seed(0)
    model = PLUGIN.build(FlowMatchingConfig(hidden=64, sigma_min=1e-2), zoo.DataSpec((2,), "real"))
    PLUGIN.initialise(model, x)

    def divergence():
        step = 0.2
        cells = grid(-5, 5, step)
        log_q = nats(model, cells.float(), solver="rk4", likelihood_steps=25)
        p = truth.log_prob(cells).exp() * step**2
        assert log_q.exp().sum().item() * step**2 == pytest.approx(1, abs=0.01)
        return (p * (truth.log_prob(cells) - log_q)).sum().item()

    assert divergence() == pytest.approx(0.55, abs=0.05)
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    for step in range(1500):
        optimiser.param_groups[0]["lr"] = 3e-3 * (1 - step / 1500)
        batch = x[torch.randint(len(x), (256,), generator=draws)]
        optimiser.zero_grad()
        PLUGIN.loss(model, batch, draws, None)["loss"].backward()
        optimiser.step()
    assert -0.001 < divergence() < 0.02


def test_estimates_of_the_trace_are_unbiased_and_their_standard_error_is_that_of_their_mean():
    model, x = randomised(build((6,))), normal(5, 6)
    exact = nats(model, x, likelihood_steps=5, trace="exact").mean().item()
    options = FlowMatchingOptions(likelihood_steps=5, trace="estimate", probes=4)
    answers = [PLUGIN.log_prob(model, x, seeded(seed), options, None, None)[0] for seed in range(200)]
    means = torch.tensor([answer.nats.mean() for answer in answers])
    errors = [float(answer.method.rsplit(" ", 1)[1]) for answer in answers]  # of independent examples: no shared stderr
    stated = torch.tensor(errors).square().mean().sqrt()
    assert all(answer.stderr == 0 for answer in answers)
    assert abs(means.mean().item() - exact) < 5 * means.std().item() / math.sqrt(200)
    assert stated.item() == pytest.approx(means.std().item(), rel=0.25)  # 5 standard errors of a deviation from 200
    assert "trace by 4 probes, standard error" in answers[0].method


def test_the_standard_error_of_a_mean_by_hand():
    """Two examples of K = 2 estimates, variances 2 and 8: √((2 + 8)/2)/2."""
    assert standard_error(torch.tensor([[0.0, 0.0], [2.0, 4.0]])) == pytest.approx(math.sqrt(5) / 2)


def test_the_trace_is_exact_up_to_32_dimensions_and_estimated_above():
    for D, method in ((32, "exact trace"), (33, "trace by 2 probes")):
        model = build((D,))
        options = FlowMatchingOptions(likelihood_steps=1, probes=2)
        (answer,) = PLUGIN.log_prob(model, normal(2, D), seeded(), options, None, None)
        assert method in answer.method


def test_an_attached_latent_density_takes_the_place_of_the_standard_normal():
    class Narrow:
        def log_prob(self, z):
            return Normal(0.5, 0.7).log_prob(z).sum(1)

    model, x = randomised(build()), normal(4, 3)
    z = integrate(model.field(None), x, 1.0, 0.0, "midpoint", 100)
    wanted = nats(model, x) - log_standard_normal(z) + Narrow().log_prob(z)
    torch.testing.assert_close(nats(model, x, prior=Narrow()), wanted.detach())
    torch.testing.assert_close(PLUGIN.log_prob_codes(z), Normal(0.0, 1.0).log_prob(z).sum(1))


def test_a_likelihood_of_many_examples_is_that_of_each():
    model, x, y = randomised(build(classes=3)), normal(1201, 3), torch.arange(1201) % 3
    whole = nats(model, x, y, likelihood_steps=2)
    apart = torch.cat([nats(model, x[i : i + 7], y[i : i + 7], likelihood_steps=2) for i in range(0, 1201, 7)])
    torch.testing.assert_close(whole, apart)


def test_bits_and_grey_values_have_no_likelihood():
    for support in ("bits", "unit"):
        with pytest.raises(zoo.Unsupported, match="likelihoods of data in .0, 1. are those of bits"):
            nats(build(support=support), torch.ones(2, 3, dtype=torch.float64))


# Classes and guidance


def test_guidance_of_zero_is_the_field_without_classes_and_of_one_that_of_the_class_exactly():
    model, x = randomised(build(classes=3)), normal(4, 3)
    y, null = torch.tensor([0, 1, 2, 1]), torch.full((4,), 3)
    assert torch.equal(model.field(y, 0.0)(0.3, x), model.v(at(0.3), x, null))
    assert torch.equal(model.field(y, 1.0)(0.3, x), model.v(at(0.3), x, y))
    difference = model.v(at(0.3), x, y) - model.v(at(0.3), x, null)
    assert difference.abs().min() > 0
    torch.testing.assert_close(model.field(y, 2.5)(0.3, x), model.v(at(0.3), x, y) + 1.5 * difference)


def test_samples_and_densities_are_those_of_the_guided_field():
    model, y = randomised(build(classes=2)), torch.tensor([0, 1, 1])
    options = FlowMatchingOptions(guidance=2.0, steps=7)
    z = model.sample_codes(3, seeded(5))
    wanted = integrate(model.field(y, 2.0), z, 0.0, 1.0, "midpoint", 7)
    torch.testing.assert_close(PLUGIN.sample(model, 3, seeded(5), options, y), wanted)
    x = normal(3, 3)
    unguided = randomised(build(classes=2))
    unguided.field = lambda y, w=1.0: model.field(y, 2.0)
    torch.testing.assert_close(nats(model, x, y, guidance=2.0), nats(unguided, x, y))


def test_guidance_that_was_not_learned_is_refused():
    options = FlowMatchingOptions(guidance=2.0)
    with pytest.raises(zoo.ConfigError, match=r"guidance must be 1 for a model without classes, got 2.0"):
        PLUGIN.sample(build(), 2, seeded(), options, None)
    with pytest.raises(zoo.ConfigError, match=r"label_dropout = 0, which did not learn p\(x\), got 2.0"):
        PLUGIN.sample(build(classes=2, label_dropout=0.0), 2, seeded(), options, torch.tensor([0, 1]))
    with pytest.raises(zoo.ConfigError, match=r"guidance must be 1"):
        nats(build(), normal(2, 3), guidance=2.0)


# Codes, networks, diagnosis


def test_codes_decode_to_the_example_and_are_given_its_class():
    model, x, y = randomised(build(classes=2), 0.1), normal(6, 3), torch.tensor([0, 0, 0, 1, 1, 1])
    options, fine = FlowMatchingOptions(), FlowMatchingOptions(solver="rk4", steps=200)
    z = PLUGIN.encode(model, x, y, options)
    torch.testing.assert_close(PLUGIN.decode(model, z, y, options), x, rtol=0, atol=0.02)
    exact = integrate(model.field(y), x, 1.0, 0.0, "rk4", 200)
    torch.testing.assert_close(PLUGIN.encode(model, x, y, fine), exact)
    torch.testing.assert_close(PLUGIN.decode(model, exact, y, fine), x, rtol=0, atol=1e-8)
    assert (PLUGIN.encode(model, x, 1 - y, options) - z).abs().min() > 0


@pytest.mark.parametrize(
    ("shape", "kind"), [((8, 8), "UNet"), ((3, 32, 32), "UNet"), ((5, 5), "Perceptron"), ((64,), "Perceptron")]
)
def test_the_network_follows_the_shape_of_the_data_and_starts_at_zero(shape, kind):
    model = build(shape, "unit")
    assert type(model.network).__name__ == kind
    x = normal(2, model.D)
    assert torch.equal(model.network(x, at(0.5), None), torch.zeros(2, model.D))
    out = randomised(model).network(x, at(0.5), None)
    assert (out != model.network(x, at(0.6), None)).all()


def test_every_pixel_of_the_u_net_depends_on_every_other():
    model = randomised(build((12, 8), "unit", channels=2, bottleneck=4))
    J = torch.autograd.functional.jacobian(lambda x: model.network(x[None], at(0.5), None)[0], normal(96))
    assert (J != 0).all()


def test_a_u_net_of_other_data_is_refused():
    with pytest.raises(zoo.Unsupported, match=r"images whose sides are multiples of 4, not \(5, 5\)"):
        build((5, 5), network="unet")


def test_the_diagnosis_has_the_loss_of_both_splits_and_the_size_of_the_codes():
    model, n = gaussian(), 1000
    x = model.m + 0.7 * normal(2 * n, 3)
    found = PLUGIN.diagnose(model, x[:n], x[n:], seeded(), None, None)
    loss = model.loss(x[:n], None, seeded()).mean().item() / 3
    assert found["loss per dimension (training)"] == pytest.approx(loss)
    z = (x[n:] - model.m) / math.sqrt(0.7**2 + SIGMA**2)
    assert found["mean square of the codes (validation)"] == pytest.approx(z.square().mean().item(), rel=0.02)


@pytest.mark.parametrize("support", ["real", "unit"])
def test_a_path_follows_the_equation_from_noise_to_the_samples(support):
    model = randomised(build((3,), support))
    options = FlowMatchingOptions(steps=5, solver="euler")
    path = PLUGIN.sample_path(model, 600, seeded(2), options, None)  # more than a block
    x = model.sample_codes(600, seeded(2))
    for t, state in zip(torch.arange(6).double() / 5, path, strict=True):
        torch.testing.assert_close(state, model.from_line(x))
        x = x + model.v(t.view(1, 1), x, None).detach() / 5
    torch.testing.assert_close(path[-1], PLUGIN.sample(model, 600, seeded(2), options, None))
