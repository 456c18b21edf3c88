"""`zoo.Model`: the user's units outside, the plugin's inside, and nothing wrong in between."""

import dataclasses
import random
import re

import numpy as np
import pytest
import torch
from torch import nn

import zoo
from tests.stepwise import StepwisePlugin
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


def test_blocks_whose_rows_differ_in_shape_are_refused(monkeypatch):
    class Wrong(AffinePlugin):
        @zoo.hookimpl
        def encode(self, model, x):
            return torch.zeros(len(x), len(x))

    registry = Registry()
    registry.register(Wrong)
    model = registry.create("affine", zoo.DataSpec((2,), "unit"))
    monkeypatch.setattr("zoo.models.model.BLOCK", 7)
    assert model.encode(torch.zeros(14, 2)).shape == (14, 7)
    with pytest.raises(zoo.PluginError, match=r"Hooks of 'affine'.* rows of one shape, got \(7,\) and then \(1,\)"):
        model.encode(torch.zeros(8, 2))


def test_wrong_requests_say_what_must_hold_and_what_came(registry, real):
    model = registry.train("affine", real)
    with pytest.raises(ValueError, match=r"x must have shape \(B, 3\), got \(2, 4\)"):
        model.encode(torch.zeros(2, 4))
    with pytest.raises(TypeError, match="x must be a tensor or a NumPy array, got list"):
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


class SteppedPlugin(AffinePlugin):
    """Codes are the examples times 1 + shift, and are divided by it again."""

    @zoo.hookimpl
    def encode(self, model, x, options):
        return x.flatten(1) * (1 + options.shift)

    @zoo.hookimpl
    def decode(self, model, z, options):
        return z.unflatten(1, model.shape) / (1 + options.shift)


@pytest.fixture
def stepped():
    registry = Registry()
    registry.register(SteppedPlugin)
    return registry.create("affine", zoo.DataSpec((2,), "unit"))


def test_codes_take_the_options_of_the_call(stepped):
    x = torch.tensor([[0.25, 0.5]])
    assert stepped.encode(x, shift=1.0).tolist() == [[0.5, 1.0]]
    assert stepped.decode(x, shift=1.0).tolist() == [[0.125, 0.25]]
    assert stepped.reconstruct(x, shift=1.0).tolist() == x.tolist()
    with pytest.raises(zoo.ConfigError, match="shfit"):
        stepped.decode(x, shfit=1.0)


def test_codes_take_the_options_of_the_model(stepped):
    x, model = torch.tensor([[0.25, 0.5]]), stepped.with_options({"shift": 1.0})
    assert model.encode(x).tolist() == [[0.5, 1.0]]
    assert model.decode(x).tolist() == [[0.125, 0.25]]
    assert model.encode(x, shift=0.0).tolist() == x.tolist()


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
        (lambda model, x: x.flatten(1), "returned its input or a view of it"),
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


# What a notebook and a REPL show


def test_a_model_is_one_line_in_a_repl(registry, real):
    untrained = registry.create("affine", zoo.DataSpec((2, 2), "unit"))
    assert repr(untrained) == "<zoo.Model affine on (2, 2) unit, untrained>"
    assert repr(registry.train("affine", real)) == "<zoo.Model affine on (3,) real, 100 epochs, seed 0>"
    model = registry.train("affine@gaussian", real, steps=1, seed=7)
    assert repr(model) == str(model) == "<zoo.Model affine@gaussian on (3,) real, 1 step, seed 7>"


@pytest.mark.parametrize(
    ("protocol", "shown"),
    [
        ({"budget": "1 epoch"}, "affine on (3,) real, 1 epoch"),
        ({"budget": "\x1b[2J\n", "seed": ["x"]}, r"affine on (3,) real, \x1b[2J\n, seed ['x']"),
        ({"data": {}}, "affine on (3,) real"),
    ],
)
def test_the_protocol_of_a_file_cannot_break_the_line(registry, real, protocol, shown):
    model = dataclasses.replace(registry.create("affine", real), protocol=protocol)
    assert repr(model) == f"<zoo.Model {shown}>"


def test_a_model_is_a_small_table_in_a_notebook(registry, real):
    model = dataclasses.replace(registry.train("affine", real), protocol={"budget": "<b>&", "seed": 3})
    cells = re.findall(r"<th[^>]*>(.*?)</th><td[^>]*>(.*?)</td>", model._repr_html_())
    assert dict(cells) == {
        "data": "(3,) real",
        "training": "&lt;b&gt;&amp;, seed 3",
        "parameters": "2",
        "device": "cpu",
    }


def test_the_number_of_parameters_has_two_names(registry, real):
    model = registry.create("affine", real)
    assert model.n_parameters == model.parameters == 2  # of nn.Linear(1, 1)


# Arrays


def of_kind(x, kind):
    """Values of x as an array of a kind; each kind holds small whole numbers exactly."""
    if kind == "read-only":
        x = x.copy()
        x.setflags(write=False)
        return x
    if kind == "reversed":
        return np.ascontiguousarray(x[::-1])[::-1]
    return np.asfortranarray(x) if kind == "columns first" else x.astype(kind)


KINDS = ["float32", "float64", "float16", ">f8", "int64", "uint8", "bool", "read-only", "reversed", "columns first"]


@pytest.mark.parametrize("kind", KINDS)
def test_an_array_gives_what_its_tensor_gives(registry, real, kind):
    model = registry.train("affine", real)
    array = of_kind((np.arange(15, dtype=np.float32).reshape(5, 3) % 2), kind)
    before, tensor = array.copy(), torch.tensor(array.astype(np.float32))
    for method in (model.encode, model.decode, model.reconstruct, lambda x: model.encode(x, seed=1)):
        assert torch.equal(method(array), method(tensor))
    (answer,), (expected,) = model.log_prob(array), model.log_prob(tensor)
    assert torch.equal(answer.nats, expected.nats)
    dense = registry.train("affine@gaussian", real)
    assert torch.equal(dense.log_prob_codes(array), dense.log_prob_codes(tensor))
    assert np.array_equal(array, before)


def test_codes_of_a_density_keep_their_64_bits(registry, real):
    model = registry.train("affine@gaussian", real)
    z = model.sample_codes(20, seed=0)
    assert z.dtype == torch.float64
    assert torch.equal(model.log_prob_codes(z.numpy()), model.log_prob_codes(z))


def test_codes_and_diagnoses_of_a_plugin_take_arrays(real):
    class Knows(AffinePlugin):
        @zoo.hookimpl
        def log_prob_codes(self, model, z):
            assert z.dtype == torch.float32
            return -z.square().sum(1)

        @zoo.hookimpl
        def diagnose(self, model, train, valid):
            return {"train": train.mean().item(), "valid": valid.mean().item()}

    registry = Registry()
    registry.register(Knows)
    model = registry.train("affine", real)
    z = np.arange(6.0).reshape(2, 3)
    assert torch.equal(model.log_prob_codes(z), torch.tensor([-5.0, -50.0]))
    expected = model.diagnose(real.train, real.valid)
    assert model.diagnose(real.train.numpy(), real.valid.double().numpy()) == expected


def test_arrays_obey_the_rules_of_tensors(registry):
    model = registry.create("affine", zoo.DataSpec((2,), "unit"))
    with pytest.raises(ValueError, match=r"x must have shape \(B, 2\), got \(2, 3\)"):
        model.encode(np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"x must have shape \(B, 2\), got \(\)"):
        model.encode(np.array(1.0))
    with pytest.raises(ValueError, match=r"x must be in \[0, 1\], got values in \[0, 255\]; divide by 255"):
        model.encode(np.array([[0, 255]], dtype=np.uint8))
    with pytest.raises(ValueError, match=r"x must be in \[0, 1\], got values in \[0, inf\]"):
        model.encode(np.array([[0, 1e300]]))


@pytest.mark.parametrize(
    ("wrong", "came"),
    [
        ([[0.0, 1.0]], "a NumPy array, got list"),
        (None, "a NumPy array, got NoneType"),
        (np.array([["a", "b"]]), "a NumPy array of real numbers, got an array of <U1"),
        (np.array([[None, 1]]), "a NumPy array of real numbers, got an array of object"),
        (np.zeros((1, 2)) * 1j, "a NumPy array of real numbers, got an array of complex128"),
    ],
)
def test_what_is_neither_tensor_nor_array_of_numbers_is_refused(registry, real, wrong, came):
    model = registry.train("affine@gaussian", real)
    methods = {model.encode: "x", model.reconstruct: "x", model.decode: "z", model.log_prob_codes: "z"}
    for method, name in methods.items():
        with pytest.raises(TypeError, match=f"^{name} must be a tensor or {came}$"):
            method(wrong)
    with pytest.raises(TypeError, match=f"^x must be a tensor or {came}$"):
        registry.train("affine", real).log_prob(wrong)


@pytest.mark.parametrize(
    "name", ["rbm:hidden=4", "vae:latent_dim=3,hidden=[8]", "ae@gmm:latent_dim=2,hidden=[8]", "ae@normal"]
)
def test_samples_are_a_function_of_the_seed_and_their_number(name, tmp_path):
    """Not of the seed alone: torch's normal draws and the RBM's chains fill one block per step, whose shape has n."""
    model = zoo.train(name, "bars-and-stripes:3", steps=3)
    wanted = {(n, seed): model.sample(n, seed=seed) for n in (1, 9, 20) for seed in (0, 1)}
    model.save(tmp_path)
    for found in (model, zoo.load(tmp_path)):
        for (n, seed), samples in reversed(wanted.items()):
            assert torch.equal(found.sample(n, seed=seed), samples)
    assert not torch.equal(wanted[20, 0], wanted[20, 1])
    if name.startswith("rbm"):
        assert (wanted[20, 0][:9] != wanted[9, 0]).flatten(1).any(1).sum() > 4  # so no prefix can be promised


def test_a_path_halves_the_distance_to_the_mean_and_ends_in_the_samples(real):
    registry = Registry()
    registry.register(StepwisePlugin)
    model = registry.train("steps", real)
    path = model.sample_path(5, seed=2)
    assert path.shape == (4, 5, *real.spec.shape)
    mean = real.train.mean(0)
    for t, state in enumerate(path):
        torch.testing.assert_close(state - mean, (path[0] - mean) / 2**t)
    torch.testing.assert_close(path[-1], model.sample(5, seed=2), rtol=0, atol=0)


def test_what_has_no_path_says_why(registry, real):
    with pytest.raises(zoo.Unsupported, match="its plugin has no sample_path"):
        registry.train("affine", real).sample_path(2, seed=0)
    with pytest.raises(zoo.Unsupported, match="it decodes draws from a density"):
        registry.train("affine@normal", real).sample_path(2, seed=0)
    other = Registry()
    other.register(StepwisePlugin)
    model = other.train("steps", real)
    for n in (0, 1025):
        with pytest.raises(zoo.ConfigError, match=rf"(from 1 to 1,024 samples|must be 1 or more), got {n}\."):
            model.sample_path(n, seed=0)


def test_a_path_of_one_state_is_refused(real):
    class OneState(StepwisePlugin):
        @zoo.hookimpl
        def sample_path(self, model, n, generator):
            return super().sample_path(model, n, generator)[:1]

    registry = Registry()
    registry.register(OneState)
    with pytest.raises(zoo.PluginError, match=r"must return two states or more, got shape \(1, 2"):
        registry.train("steps", real).sample_path(2, seed=0)
