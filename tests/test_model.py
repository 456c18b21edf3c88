"""`zoo.Model`: the user's units outside, the plugin's inside, and nothing wrong in between."""

import random

import numpy as np
import pytest
import torch
from torch import nn

import zoo
from zoo.api import Registry


class AffineConfig(zoo.Config):
    pass


class AffineOptions(zoo.Config):
    shift: float = 0.0


class AffinePlugin:
    """The code is the example itself; samples are ones, shifted. The simplest exact model."""

    card = zoo.Card(
        name="affine",
        summary="identity",
        config=AffineConfig,
        options=AffineOptions,
        trains_on="grey",
        latent="real",
        samples="means",
    )

    @zoo.hookimpl
    def build(self, data):
        module = nn.Linear(1, 1)
        module.shape = data.shape
        return module

    @zoo.hookimpl
    def fit(self, model, train, budget):
        model.mean = train.mean(0)

    @zoo.hookimpl
    def encode(self, model, x, generator):
        x = x.clone()
        return (
            x.flatten(1) if generator is None else x.flatten(1) + torch.randn(x.flatten(1).shape, generator=generator)
        )

    @zoo.hookimpl
    def decode(self, model, z, generator):
        x = z.clone().unflatten(1, model.shape)
        return x if generator is None else x + torch.randn(x.shape, generator=generator)

    @zoo.hookimpl
    def sample(self, model, n, options):
        return torch.ones(n, *model.shape) + options.shift

    @zoo.hookimpl
    def log_prob(self, model, x):
        return (zoo.LogProb(-0.5 * x.flatten(1).square().sum(1), "exact"),)


@pytest.fixture
def registry():
    registry = Registry()
    registry.register(AffinePlugin)
    return registry


@pytest.fixture
def real():
    x = torch.randn(50, 3, generator=torch.Generator().manual_seed(0)) * 4 + 100
    return zoo.Data.from_arrays(x, name="table")


def test_codes_are_of_standardised_values_and_outputs_in_the_users_units(registry, real):
    model = registry.train("affine", real)
    offset, scale = real.standardisation
    assert torch.allclose(model.encode(real.test), (real.test - offset) / scale)
    assert torch.allclose(model.reconstruct(real.test), real.test, atol=1e-4)
    assert torch.allclose(model.sample(2, seed=0), (offset + scale).expand(2, -1))
    assert torch.allclose(model.sample(2, seed=0, shift=1.0), (offset + 2 * scale).expand(2, -1))


def test_likelihoods_are_of_standardised_values(registry, real):
    (answer,) = registry.train("affine", real).log_prob(real.test)
    expected = -0.5 * real.standardise(real.test).square().sum(1)
    assert torch.allclose(answer.nats, expected)


def test_the_same_seed_draws_the_same_and_no_seed_draws_anew(registry, real):
    model = registry.train("affine@gaussian", real)
    assert torch.equal(model.sample(4, seed=3), model.sample(4, seed=3))
    assert not torch.equal(model.sample(4, seed=3), model.sample(4, seed=4))
    assert not torch.equal(model.sample(4), model.sample(4))
    assert torch.equal(model.encode(real.test, seed=1), model.encode(real.test, seed=1))
    assert not torch.equal(model.encode(real.test, seed=1), model.encode(real.test))


def test_samples_of_real_data_under_a_density_include_the_observation_noise(registry, real):
    n = 20_000
    x = real.standardise(registry.train("affine@normal", real).sample(n, seed=0))
    # variance 1 of the standard normal code, and 1 of the noise
    assert abs(x.var().item() - 2.0) < 4 * 2.0 * (2 / (3 * n)) ** 0.5


def test_large_requests_are_served_in_blocks_of_bounded_size(registry, real, monkeypatch):
    model = registry.train("affine", real)
    monkeypatch.setattr("zoo.models.model.BLOCK", 7)
    assert model.sample(15, seed=0).shape == (15, 3)
    assert torch.allclose(model.encode(real.test), real.standardise(real.test))


def test_wrong_requests_say_what_must_hold_and_what_came(registry, real):
    model = registry.train("affine", real)
    with pytest.raises(ValueError, match=r"x must have shape \(B, 3\), got \(2, 4\)"):
        model.encode(torch.zeros(2, 4))
    with pytest.raises(TypeError, match="x must be a tensor, got list"):
        model.encode([1.0])
    for n in (0, -1):
        with pytest.raises(zoo.ConfigError, match=f"must be 1 or more, got {n}"):
            model.sample(n)
    with pytest.raises(zoo.ConfigError, match="no key 'shfit'. Did you mean 'shift'"):
        model.sample(1, shfit=2)


def test_grey_values_outside_the_unit_interval_are_refused(registry):
    data = zoo.Data.from_arrays(torch.rand(30, 2, generator=torch.Generator().manual_seed(0)))
    model = registry.train("affine", data)
    with pytest.raises(ValueError, match=r"x must be in \[0, 1\], got values in \[0, 255\]; divide by 255"):
        model.encode(torch.tensor([[0.0, 255.0]]))
    with pytest.raises(zoo.ConfigError, match="log_prob takes bits"):
        model.log_prob(data.test)
    with pytest.raises(zoo.ConfigError, match="Only real-valued data have draws"):
        model.decode(torch.zeros(1, 2), seed=0)


def test_a_likelihood_that_ignores_the_attached_density_is_not_shown_for_it(registry, real):
    with pytest.raises(zoo.Unsupported, match="affine@normal has no likelihood"):
        registry.train("affine@normal", real).log_prob(real.test)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda n: None, "returned None"),
        (lambda n: [[0.5]] * n, "must return a tensor, got list"),
        (lambda n: torch.full((n, 3), 0.5), r"must return shape \(2, 2\), got \(2, 3\)"),
        (lambda n: torch.ones(n, 2, dtype=torch.int64), "must return floating-point values, got torch.int64"),
        (lambda n: torch.full((n, 2), 1.5), r"values in \[0, 1\] for these data, got values in \[1.5, 1.5\]"),
        (lambda n: torch.full((n, 2), float("nan")), "returned nan or infinity"),
    ],
)
def test_wrong_output_of_a_plugin_is_refused_with_plugin_and_hook_named(answer, message):
    class Wrong(AffinePlugin):
        @zoo.hookimpl
        def sample(self, model, n):
            return answer(n)

    registry = Registry()
    registry.register(Wrong)
    model = registry.create("affine", zoo.DataSpec((2,), "unit"))
    with pytest.raises(zoo.ZooError, match=f"The hook 'sample' of 'affine'.*{message}"):
        model.sample(2, seed=0)


def write_into_input(model, x):
    x.add_(0.25)
    return x.flatten(1) * 1


def draw_from(source):
    def encode(model, x):
        source()
        return x.flatten(1) * 1

    return encode


def change_threads(model, x):
    torch.set_num_threads(torch.get_num_threads() + 1)
    return x.flatten(1) * 1


def change_dtype(model, x):
    torch.set_default_dtype(torch.float64)
    return x.flatten(1) * 1


@pytest.mark.parametrize(
    ("encode", "message"),
    [
        (write_into_input, "wrote into its input"),
        (draw_from(lambda: torch.randn(1)), "drew from the global random state"),
        (draw_from(lambda: np.random.rand()), "drew from the global random state"),
        (draw_from(random.random), "drew from the global random state"),
        (change_threads, "changed the number of threads"),
        (change_dtype, "changed torch's default dtype"),
        (lambda model, x: x.flatten(1), "returned its input's own memory"),
        (lambda model, x: nn.Parameter(x.flatten(1) * 1), "returned a tensor that requires grad"),
        (lambda model, x: torch.empty(len(x), 2, device="meta"), "must return a tensor on cpu"),
        (lambda model, x: torch.zeros(1, 2), r"must return shape \(3, …\), got \(1, 2\)"),
    ],
)
def test_what_a_hook_may_not_touch_is_refused_and_put_back(encode, message):
    answer = encode

    class Wrong(AffinePlugin):
        @zoo.hookimpl
        def encode(self, model, x):
            return answer(model, x)

    registry = Registry()
    registry.register(Wrong)
    model = registry.create("affine", zoo.DataSpec((2,), "unit"))
    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), np.random.get_state()[2], random.getstate()
    settings = torch.get_num_threads(), torch.get_default_dtype()
    with pytest.raises(zoo.PluginError, match=f"The hook 'encode' of 'affine'.*{message}"):
        model.encode(torch.full((3, 2), 0.5))
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1:] == (np.random.get_state()[1].tolist(), np.random.get_state()[2], random.getstate())
    assert settings == (torch.get_num_threads(), torch.get_default_dtype())


def test_a_likelihood_that_is_no_log_prob_is_refused(real):
    class Wrong(AffinePlugin):
        @zoo.hookimpl
        def log_prob(self, model, x):
            return x.flatten(1).sum(1)

    registry = Registry()
    registry.register(Wrong)
    with pytest.raises(zoo.PluginError, match="hook 'log_prob' of 'affine'.* must return a tuple of zoo.LogProb"):
        registry.train("affine", real).log_prob(real.test)
