"""The models against scikit-learn's own fits, scores and samples, and against closed forms."""

from __future__ import annotations

import warnings
from itertools import product

import numpy as np
import pytest
import torch
from scipy.special import expit
from scipy.stats import multivariate_normal
from sklearn.decomposition import FactorAnalysis
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity
from sklearn.neural_network import BernoulliRBM
from torch import Generator
from zoo_sklearn.arrays import seed
from zoo_sklearn.fa import SklearnFAConfig, SklearnFAPlugin
from zoo_sklearn.gmm import SklearnGMMConfig, SklearnGMMPlugin
from zoo_sklearn.kde import SklearnKDEConfig, SklearnKDEPlugin
from zoo_sklearn.rbm import SklearnRBMConfig, SklearnRBMOptions, SklearnRBMPlugin

import zoo
from zoo.training.budget import TrainingBudget

RBM, GMM, FA, KDE = SklearnRBMPlugin(), SklearnGMMPlugin(), SklearnFAPlugin(), SklearnKDEPlugin()
N = 120


def seeded(number: int = 0) -> Generator:
    return Generator().manual_seed(number)


class Budget:
    """A budget of steps, which counts."""

    per_epoch = 1

    def __init__(self, steps: int | None, batch_size: int = 16):
        self.steps, self.batch_size, self.index, self.losses = steps, batch_size, 0, []

    @property
    def exhausted(self) -> bool:
        return self.index == self.steps

    def step(self, model, **losses):
        assert self.index != self.steps, "a step beyond the budget"
        self.index += 1
        self.losses += losses.values()

    whole_pass = step


def real(n=N) -> torch.Tensor:
    """Correlated columns with a nonlinear part, shape (n, 2, 2)."""
    u = torch.randn(n, 4, generator=seeded(3))
    return torch.stack([u[:, 0], u[:, 0] + 0.5 * u[:, 1], u[:, 2].square(), u[:, 3] - u[:, 0]], 1).reshape(n, 2, 2)


def bits(n=N) -> torch.Tensor:
    return zoo.bernoulli(torch.tensor([0.8, 0.2, 0.5, 0.9]).expand(n, 4), seeded(4)).reshape(n, 2, 2)


def arrays(x: torch.Tensor) -> np.ndarray:
    return x.flatten(1).double().numpy()


def build(plugin, config, support="real", shape=(2, 2)):
    return plugin.build(config, zoo.DataSpec(shape, support))


def reloaded(plugin, config, model, support="real"):
    """A new model with the tensors of a trained one, as a model file gives it."""
    twin = build(plugin, config, support)
    twin.load_state_dict(model.state_dict())
    return twin


@pytest.mark.parametrize("n", [N, 7])
def test_the_weights_of_the_rbm_are_those_of_fit_with_as_many_iterations_as_epochs(n):
    """Of 7 batches of 16 and one of 8; and of a single batch, smaller than the number of chains."""
    x, config = bits(n), SklearnRBMConfig(n_components=5, learning_rate=0.2)
    model, batches = build(RBM, config, "bits"), -(-n // 16)
    RBM.fit(model, x, seeded(), Budget(3 * batches))
    own = BernoulliRBM(5, learning_rate=0.2, batch_size=16, n_iter=3, random_state=seed(seeded())).fit(arrays(x))
    for name in ("components_", "intercept_hidden_", "intercept_visible_"):
        assert np.array_equal(getattr(model, name).numpy(), getattr(own, name))
    assert not np.array_equal(own.intercept_visible_, np.zeros(4))
    h = RBM.encode(reloaded(RBM, config, model, "bits"), x, None)
    torch.testing.assert_close(h, torch.from_numpy(own.transform(arrays(x))).float())
    drawn = RBM.encode(model, x[:1].expand(20_000, 2, 2), seeded(1)).mean(0)
    torch.testing.assert_close(drawn, h[0], rtol=0, atol=5 * 0.5 / 20_000**0.5)


def test_the_rbm_stops_within_an_epoch_when_the_budget_is_used_up_and_is_fitted_to_new_bits_in_each_epoch():
    config, grey = SklearnRBMConfig(n_components=5), torch.full((N, 2, 2), 0.3)
    model, budget = build(RBM, config, "unit"), Budget(11)
    RBM.fit(model, grey, seeded(), budget)
    assert budget.index == 11
    draws = seeded()
    own = BernoulliRBM(5, learning_rate=0.01, batch_size=16, random_state=seed(draws))
    for _ in range(2):
        v = arrays(zoo.bernoulli(grey, draws))
        for first in range(0, N, 16):
            if budget.index:
                own.partial_fit(v[first : first + 16])
                budget.index -= 1
    assert np.array_equal(model.components_.numpy(), own.components_)


def small_rbm(noise=0.7):
    model = build(RBM, SklearnRBMConfig(n_components=3), "bits")
    for each in model.parameters():
        each.copy_(noise * torch.randn(each.shape, generator=seeded(2), dtype=torch.float64))
    return model


PATTERNS, HIDDEN = (np.array(list(product((0.0, 1.0), repeat=n))) for n in (4, 3))


def arrays_of(model):
    return (each.numpy() for each in (model.components_, model.intercept_visible_, model.intercept_hidden_))


def probabilities(model) -> np.ndarray:
    """p(v) of all 16 patterns, by enumeration of h."""
    W, b, c = arrays_of(model)
    p = np.exp(PATTERNS @ b) * np.exp((PATTERNS @ W.T + c) @ HIDDEN.T).sum(1)
    return p / p.sum()


def bernoulli_table(mean: np.ndarray, patterns: np.ndarray) -> np.ndarray:
    """Probabilities of patterns (P, D) for each row of means (R, D), shape (R, P)."""
    return np.prod(np.where(patterns[None] == 1, mean[:, None], 1 - mean[:, None]), 2)


@pytest.mark.parametrize("steps", [1, 60])
def test_samples_of_the_rbm_follow_its_chain_and_then_its_distribution_by_enumeration(steps):
    model, n = small_rbm(), 20_000
    x = RBM.sample(model, n, seeded(), SklearnRBMOptions(steps=steps))
    codes = (x.flatten(1).long() * torch.tensor([8, 4, 2, 1])).sum(1)
    W, b, c = arrays_of(model)
    step = bernoulli_table(expit(PATTERNS @ W.T + c), HIDDEN) @ bernoulli_table(expit(HIDDEN @ W + b), PATTERNS)
    start = bernoulli_table(expit(b)[None], PATTERNS)[0]
    p, found = start @ np.linalg.matrix_power(step, steps), np.bincount(codes, minlength=16) / n
    assert (np.abs(found - p) < 5 * np.sqrt(p * (1 - p) / n)).all()
    if steps == 60:
        np.testing.assert_allclose(p, probabilities(model), atol=1e-6)


def test_decoded_codes_of_the_rbm_are_conditional_means():
    model = small_rbm()
    h = zoo.bernoulli(torch.full((9, 3), 0.5), seeded())
    own, v = model.fitted(0), np.zeros((9, 4))
    for _ in range(4000):
        v += own._sample_visibles(h.double().numpy(), np.random.RandomState(_)) / 4000
    np.testing.assert_allclose(RBM.decode(model, h).flatten(1).numpy(), v, atol=5 * 0.5 / 4000**0.5)


def test_the_rbm_has_no_likelihood_but_the_pseudo_likelihood_of_scikit_learn_as_a_diagnostic():
    model, x = small_rbm(), bits()
    assert not hasattr(RBM, "log_prob")
    found = RBM.diagnose(model, x[:50], x[50:], seeded())
    own = model.fitted(seed(seeded()))
    assert found["log pseudo-likelihood (training)"] == pytest.approx(own.score_samples(arrays(x[:50])).mean())
    p = probabilities(model).reshape(2, 2, 2, 2)  # the mean over draws is the pseudo-likelihood, here by enumeration
    wanted = np.mean(
        [
            sum(np.log(p[tuple(v)] / sum(p[tuple(np.r_[v[:i], s, v[i + 1 :]])] for s in (0, 1))) for i in range(4))
            for v in arrays(x).astype(int)
        ]
    )
    means = [model.fitted(s).score_samples(arrays(x)).mean() for s in range(400)]
    assert abs(np.mean(means) - wanted) < 5 * np.std(means) / 20
    with pytest.raises(zoo.Unsupported, match="real-valued"):
        build(RBM, SklearnRBMConfig())


@pytest.mark.parametrize("form", ["full", "tied", "diag", "spherical"])
def test_the_mixture_is_that_of_scikit_learn(form):
    x, config = real(), SklearnGMMConfig(n_components=3, covariance_type=form)
    model, budget = build(GMM, config), Budget(1000)
    GMM.fit(model, x, seeded(), budget)
    own = GaussianMixture(3, covariance_type=form, random_state=seed(seeded())).fit(arrays(x))
    assert budget.index == own.n_iter_
    assert budget.losses[-1] == -own.lower_bound_
    twin = reloaded(GMM, config, model)
    (answer,) = GMM.log_prob(twin, x)
    assert answer.kind == "exact"
    assert np.array_equal(answer.nats.numpy(), own.score_samples(arrays(x)))
    np.testing.assert_allclose(GMM.encode(twin, x, None).numpy(), own.predict_proba(arrays(x)), atol=1e-6)
    covariances = {
        "full": lambda k: own.covariances_[k],
        "tied": lambda k: own.covariances_,
        "diag": lambda k: np.diag(own.covariances_[k]),
        "spherical": lambda k: np.eye(4) * own.covariances_[k],
    }[form]
    by_hand = sum(own.weights_[k] * multivariate_normal(own.means_[k], covariances(k)).pdf(arrays(x)) for k in range(3))
    np.testing.assert_allclose(answer.nats.numpy(), np.log(by_hand))


@pytest.mark.parametrize(
    ("plugin", "config"), [(GMM, SklearnGMMConfig(tol=0.0)), (FA, SklearnFAConfig(n_components=1, tol=1e-12))]
)
@pytest.mark.parametrize(("steps", "passes"), [(11, 3), (12, 4), (2, 1)])
def test_a_pass_of_em_uses_the_steps_of_an_epoch(plugin, config, steps, passes):
    x = torch.rand(60, 2, 2, generator=seeded())
    reports = []
    budget = zoo.Meter(TrainingBudget(steps, "steps"), len(x), 20, progress=reports.append)
    plugin.fit(build(plugin, config), x, seeded(), budget)
    budget.flush()
    assert budget.index == min(3 * passes, steps)
    assert len({report.losses["loss"] for report in reports}) == passes


def test_a_budget_below_max_iter_ends_em_where_scikit_learn_ends_it():
    x, config = real(), SklearnGMMConfig(n_components=5, tol=0.0)
    model, budget = build(GMM, config), Budget(4)
    GMM.fit(model, x, seeded(), budget)
    assert budget.index == 4
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        own = GaussianMixture(5, tol=0.0, max_iter=4, random_state=seed(seeded())).fit(arrays(x))
    assert np.array_equal(model.means_.numpy(), own.means_)
    with pytest.raises(zoo.ConfigError, match="at most the number of training examples, 3"):
        GMM.fit(model, x[:3], seeded(), Budget(4))


def test_samples_of_the_mixture_have_its_moments_in_random_order():
    x, config, n = real(), SklearnGMMConfig(n_components=3), 40_000
    model = build(GMM, config)
    GMM.fit(model, x, seeded(), Budget(1000))
    draws = GMM.sample(model, n, seeded(1)).flatten(1).double()
    mean = model.weights_ @ model.means_
    second = (
        model.weights_[:, None, None] * (model.covariances_ + model.means_[:, :, None] * model.means_[:, None])
    ).sum(0)
    products = draws[:, :, None] * draws[:, None]
    assert ((draws.mean(0) - mean).abs() < 5 * draws.std(0) / n**0.5).all()
    assert ((products.mean(0) - second).abs() < 5 * products.std(0) / n**0.5).all()
    half = draws[: n // 2]  # scikit-learn's own order is by component
    assert ((half.mean(0) - mean).abs() < 5 * half.std(0) / (n // 2) ** 0.5).all()
    z = GMM.encode(model, x[:1].expand(20_000, 2, 2), seeded())
    assert torch.equal(z.sum(1), torch.ones(20_000))
    torch.testing.assert_close(z.mean(0), GMM.encode(model, x[:1], None)[0], rtol=0, atol=5 * 0.5 / 20_000**0.5)
    torch.testing.assert_close(GMM.decode(model, z[:5]).flatten(1).double(), z[:5].double() @ model.means_)


def factors(q=2, n=N):
    x, config = real(n), SklearnFAConfig(n_components=q)
    model, budget = build(FA, config), Budget(1000)
    FA.fit(model, x, seeded(), budget)
    return x, config, model, budget


@pytest.mark.parametrize("q", [1, 2, 16])
def test_factor_analysis_is_that_of_scikit_learn(q):
    x, config, model, budget = factors(q)
    own = FactorAnalysis(min(q, 4), random_state=seed(seeded())).fit(arrays(x))
    assert budget.index == own.n_iter_
    assert budget.losses[-1] == pytest.approx(-own.loglike_[-1] / N)
    twin = reloaded(FA, config, model)
    (answer,) = FA.log_prob(twin, x)
    assert answer.kind == "exact"
    assert np.array_equal(answer.nats.numpy(), own.score_samples(arrays(x)))
    by_hand = multivariate_normal(own.mean_, own.components_.T @ own.components_ + np.diag(own.noise_variance_))
    np.testing.assert_allclose(answer.nats.numpy(), by_hand.logpdf(arrays(x)), rtol=1e-6)
    np.testing.assert_allclose(FA.encode(twin, x, None).numpy(), own.transform(arrays(x)), atol=1e-5)


def test_samples_codes_and_decoded_draws_of_factor_analysis_have_their_moments():
    x, _, model, _ = factors()
    with torch.no_grad():  # rotated factors, whose posterior is correlated
        model.components_.copy_(torch.tensor([[0.6, 0.8], [-0.8, 0.6]], dtype=torch.float64) @ model.components_)
    n, W, psi = 40_000, model.components_, model.noise_variance_
    draws = FA.sample(model, n, seeded()).flatten(1).double() - model.mean_
    products = draws[:, :, None] * draws[:, None]
    assert (draws.mean(0).abs() < 5 * draws.std(0) / n**0.5).all()
    assert ((products.mean(0) - W.T @ W - torch.diag(psi)).abs() < 5 * products.std(0) / n**0.5).all()
    z = FA.encode(model, x[:1].expand(n, 2, 2), seeded()).double() - FA.encode(model, x[:1], None).double()
    G = torch.linalg.inv(torch.eye(2, dtype=torch.float64) + (W / psi) @ W.T)
    products = z[:, :, None] * z[:, None]
    assert ((products.mean(0) - G).abs() < 5 * products.std(0) / n**0.5).all()
    code = torch.tensor([[1.0, -2.0]]).expand(n, 2)
    noise = FA.decode(model, code, seeded(2)) - FA.decode(model, code, None)
    spread = noise.flatten(1).double().square()
    assert ((spread.mean(0) - psi).abs() < 5 * spread.std(0) / n**0.5).all()
    torch.testing.assert_close(FA.log_prob_codes(code[:1]).item(), -2.5 - np.log(2 * np.pi))


@pytest.mark.parametrize("bandwidth", [0.0, 0.3])
def test_the_kernel_density_is_that_of_scikit_learn_and_of_the_formula(bandwidth):
    x, config = real(), SklearnKDEConfig(bandwidth=bandwidth, room=200)
    model = build(KDE, config)
    KDE.fit(model, x[:80], x[80:], seeded())
    scores = [KernelDensity(bandwidth=h).fit(arrays(x[:80])).score(arrays(x[80:])) for h in np.geomspace(0.02, 2, 21)]
    h = bandwidth or np.geomspace(0.02, 2, 21)[int(np.argmax(scores))]
    assert float(model.h) == h
    (answer,) = KDE.log_prob(reloaded(KDE, config, model), x[80:])
    assert answer.kind == "exact"
    wanted = KernelDensity(bandwidth=h).fit(arrays(x[:80])).score_samples(arrays(x[80:]))
    assert np.array_equal(answer.nats.numpy(), wanted)
    kernels = [multivariate_normal(each, h**2 * np.eye(4)).pdf(arrays(x[80:])) for each in arrays(x[:80])]
    np.testing.assert_allclose(wanted, np.log(np.mean(kernels, 0)))


def test_the_kernel_density_keeps_a_random_part_of_a_large_training_split_and_samples_have_its_moments():
    x, n = real(), 40_000
    model = build(KDE, SklearnKDEConfig(bandwidth=0.5, room=50))
    KDE.fit(model, x, x, seeded())
    kept = model.x.unique(dim=0)
    assert len(kept) == 50
    assert all((x.flatten(1) == each).all(1).any() for each in kept)
    assert not torch.equal(model.x, x.flatten(1)[:50])
    draws = KDE.sample(model, n, seeded()).flatten(1)
    variance = model.x.var(0, correction=0) + 0.25
    assert ((draws.mean(0) - model.x.mean(0)).abs() < 5 * (variance / n).sqrt()).all()
    squares = (draws - model.x.mean(0)).square()
    assert ((squares.mean(0) - variance).abs() < 5 * squares.std(0) / n**0.5).all()


@pytest.mark.parametrize(
    ("plugin", "config"),
    [(GMM, SklearnGMMConfig(n_components=2)), (FA, SklearnFAConfig(n_components=2)), (KDE, SklearnKDEConfig(room=N))],
)
def test_densities_of_grey_values_are_clipped_and_have_no_likelihood(plugin, config):
    x = torch.rand(N, 2, 2, generator=seeded())
    model = build(plugin, config, "unit")
    arguments = {"valid": x} if plugin is KDE else {"budget": Budget(50)}
    plugin.fit(model, x, generator=seeded(), **arguments)
    samples = plugin.sample(model, 500, seeded())
    assert samples.min() == 0
    assert samples.max() == 1
    with pytest.raises(zoo.Unsupported, match="likelihoods of data in .0, 1. are those of bits"):
        plugin.log_prob(model, x)
