"""The control rows: closed forms against torch.distributions and enumeration, and what each one is there to show."""

import itertools
import math

import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, MultivariateNormal, Normal

import zoo
import zoo.testing
from zoo.builtin.controls.copula import LEVELS, CopulaPlugin, score_correlation
from zoo.builtin.controls.mean import MeanPlugin
from zoo.builtin.controls.memoriser import MemoriserPlugin
from zoo.builtin.controls.mixture import MixturePlugin
from zoo.builtin.controls.noise import NoisePlugin
from zoo.builtin.controls.pixels import PixelsPlugin
from zoo.builtin.controls.ppca import PPCAPlugin

PLUGINS = (MemoriserPlugin, MeanPlugin, PixelsPlugin, NoisePlugin, PPCAPlugin, MixturePlugin, CopulaPlugin)
NAMES = [plugin.card.name for plugin in PLUGINS]
EVERY_PATTERN = torch.tensor(list(itertools.product([0.0, 1.0], repeat=4)))  # of 4 pixels


@pytest.fixture(scope="module")
def registry():
    found = zoo.Registry(entry_points=False)
    for plugin in PLUGINS:
        found.register(plugin)
    return found


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def data(train, support, n=10):
    """A data set with this training split; the other splits are its first examples."""
    spec = zoo.DataSpec(tuple(train.shape[1:]), support)
    return zoo.Data("given", spec, train, train[:n], train[:n])


def grey(n=40, shape=(2, 2)):
    return data(torch.rand(n, *shape, generator=seeded(1)), "unit")


def real(n=400, V=5):
    """Correlated columns in units of their own."""
    mixed = torch.randn(n, V, generator=seeded(2)) @ torch.randn(V, V, generator=seeded(3))
    return data(mixed * torch.tensor([1.0, 10.0, 0.1, 5.0, 2.0])[:V] + 3, "real")


def exact(model, x):
    """log p(x), from the one answer, which says that it is exact."""
    (answer,) = model.log_prob(x)
    assert answer.kind == "exact"
    return answer.nats


# Each of them


@pytest.mark.parametrize("name", NAMES)
def test_a_control_keeps_the_contract_of_a_model(name, warm):
    verdict = zoo.testing.examine(zoo.Registry(extensions=False).plugin(name, "zoo.controls"))
    assert verdict.passed, [(outcome.check, outcome.reason) for outcome in verdict.of("failed")]
    assert verdict.plugin == f"genzoo/{name}"


@pytest.mark.parametrize("source", [grey(), real()], ids=["grey", "real"])
@pytest.mark.parametrize("name", NAMES)
def test_a_control_saved_and_loaded_generates_the_same(name, source, registry, tmp_path):
    model = registry.train(name, source, seed=0)
    loaded = registry.load(model.save(tmp_path))
    assert torch.equal(loaded.sample(100, seed=1), model.sample(100, seed=1))


@pytest.mark.parametrize("name", NAMES)
def test_the_summary_of_a_control_says_that_it_is_one(name, registry):
    assert registry.plugin(name).card.summary.startswith("control: ")


@pytest.mark.parametrize("name", ["memoriser", "mean", "pixels", "noise", "copula"])
def test_a_control_without_a_code_says_so(name, registry):
    model = registry.create(name, grey().spec)
    with pytest.raises(zoo.Unsupported, match="no code"):
        model.encode(grey().test)
    with pytest.raises(zoo.Unsupported, match="no code"):
        model.decode(torch.zeros(1, 1))


@pytest.mark.parametrize("name", ["ppca", "mixture"])
def test_a_density_of_grey_values_has_no_likelihood_of_bits(name, registry):
    with pytest.raises(zoo.Unsupported, match="those of bits"):
        registry.train(name, grey()).log_prob(grey().test.round())


# memoriser


@pytest.mark.parametrize("source", [grey(), real()], ids=["grey", "real"])
def test_the_memoriser_deals_each_training_example_once_and_then_again(source, registry):
    train = source.train
    samples = registry.train("memoriser", source).sample(2 * len(train), seed=1)
    nearest = torch.cdist(samples.flatten(1), train.flatten(1)).argmin(1)
    torch.testing.assert_close(samples, train[nearest])  # standardised and restored, where they are real
    for deck in nearest.split(len(train)):
        assert sorted(deck.tolist()) == list(range(len(train)))


def test_a_memoriser_of_little_room_keeps_different_training_images(registry):
    train = grey().train
    samples = registry.train("memoriser:room=7", grey()).sample(7, seed=1)
    kept = (samples.flatten(1)[:, None] == train.flatten(1)).all(-1)  # (7, N)
    assert kept.sum() == 7
    assert kept.any(0).sum() == 7


def test_the_memoriser_deals_every_image_equally_often(registry):
    """Of 1,000 hands of one card each, a fifth for each of 5 images: σ = √(1,000 · 0.2 · 0.8) = 12.6."""
    source = data(torch.arange(5.0)[:, None] / 4, "unit", n=5)
    model = registry.train("memoriser", source)
    hands = torch.cat([model.sample(1, seed=seed) for seed in range(1000)])
    counts = (4 * hands).long().flatten().bincount(minlength=5)
    assert (counts - 200).abs().max() < 4 * 12.6


# mean


def test_the_mean_is_the_same_rounded_image_each_time(registry):
    source = data(
        torch.tensor([[[1.0, 0.0], [0.5, 0.9]], [[0.0, 0.2], [0.5, 0.7]]]), "unit", n=2
    )  # means 0.5 0.1 0.5 0.8
    samples = registry.train("mean", source).sample(3, seed=0)
    assert torch.equal(samples, torch.tensor([[1.0, 0.0], [1.0, 1.0]]).expand(3, 2, 2))


def test_the_mean_of_real_data_is_not_rounded():
    """The core standardises real data, to a mean of 0; the model does not count on that."""
    model = MeanPlugin().build(real().spec)
    model.fit(real().train)
    torch.testing.assert_close(MeanPlugin().sample(model, 2), real().train.mean(0).expand(2, 5))


# pixels and noise


@pytest.mark.parametrize("name", ["pixels", "noise"])
def test_the_probabilities_of_all_patterns_sum_to_one(name, registry):
    model = registry.train(name, data(torch.rand(40, 4, generator=seeded(1)), "unit"))
    assert exact(model, EVERY_PATTERN).exp().sum().item() == pytest.approx(1, abs=1e-12)


def test_the_pixels_have_the_means_of_the_training_split(registry):
    """A pattern has the probability ∏_j p_j^{x_j} (1 − p_j)^{1 − x_j} with p the mean grey values."""
    source = data(torch.tensor([[0.2, 1.0], [0.4, 0.5]]), "unit", n=2)  # means 0.3 and 0.75
    probabilities = exact(registry.train("pixels", source), torch.tensor([[1.0, 0.0], [0.0, 1.0]])).exp()
    assert probabilities.tolist() == pytest.approx([0.3 * 0.25, 0.7 * 0.75], rel=1e-6)


def test_a_pixel_that_never_changes_is_off_by_half_an_example(registry):
    source = data(torch.tensor([[0.0, 1.0]] * 5), "bits", n=5)
    assert exact(registry.train("pixels", source), torch.tensor([[1.0, 0.0]])).item() == pytest.approx(
        2 * math.log(0.1)
    )


@pytest.mark.parametrize("name", ["pixels", "noise"])
def test_drawn_patterns_have_the_frequencies_that_log_prob_says(name, registry):
    model, n = registry.train(name, data(torch.rand(40, 4, generator=seeded(1)), "unit")), 20_000
    numbers = (model.sample(n, seed=0) @ torch.tensor([8.0, 4.0, 2.0, 1.0])).long()
    p = exact(model, EVERY_PATTERN).exp()
    z = (numbers.bincount(minlength=16) / n - p) / (p * (1 - p) / n).sqrt()
    assert z.abs().max() < 4


def test_the_pixels_of_real_data_are_normal_columns():
    """The core standardises real data, to means of 0 and deviations of 1; the model does not count on that."""
    x = real().train.double()
    m, s = x.mean(0), x.std(0, correction=0)
    model = PixelsPlugin().build(real().spec)
    model.fit(real().train)
    columns = Independent(Normal(m, s), 1)
    torch.testing.assert_close(model.log_prob(real().test), columns.log_prob(x[:10]), rtol=1e-5, atol=1e-5)
    samples = model.sample(20_000, seeded())
    assert ((samples.mean(0) - m) / s).abs().max() < 4 / 20_000**0.5
    assert (samples.std(0) / s - 1).abs().max() < 4 / 40_000**0.5  # sd(ŝ) = s/√(2n)
    assert torch.corrcoef(samples.T).fill_diagonal_(0).abs().max() < 4 / 20_000**0.5


def test_a_real_column_that_never_changes_has_a_finite_density(registry):
    source = data(torch.cat([real().train, torch.full((400, 1), 7.0)], 1), "real")
    assert exact(registry.train("pixels", source), source.test).isfinite().all()


def test_noise_of_real_data_is_standard_normal(registry):
    source = real()
    nats = exact(registry.train("noise", source), source.test)
    x = source.standardise(source.test).double()
    torch.testing.assert_close(nats, Normal(0.0, 1.0).log_prob(x).sum(1))


def test_noise_is_v_coins(registry):
    assert exact(registry.train("noise", grey()), torch.zeros(1, 2, 2)).item() == pytest.approx(4 * math.log(0.5))


# probabilistic PCA


def covariance(model):
    """W Wᵀ + σ² I, float64."""
    W = model.module.W.double()
    return W @ W.T + model.module.sigma.double() ** 2 * torch.eye(len(W))


def test_ppca_keeps_the_first_eigenvalues_and_averages_the_rest(registry):
    """W Wᵀ + σ² I has the sample covariance's eigenvectors, and its eigenvalues λ_1, …, λ_q, then their mean."""
    source = real()
    S = torch.cov(source.standardise(source.train).double().T, correction=0)
    lam, U = torch.linalg.eigh(S)
    lam[:-2] = lam[:-2].mean()
    C = covariance(registry.train("ppca:latent_dim=2", source))
    torch.testing.assert_close(C, U @ lam.diag() @ U.T, rtol=1e-5, atol=1e-6)


def test_ppca_of_all_dimensions_but_one_is_the_gaussian_of_maximum_likelihood(registry):
    source = real()
    model = registry.train("ppca", source)  # 16 values in z, but there are 5 columns
    assert model.encode(source.test).shape == (10, 4)
    S = torch.cov(source.standardise(source.train).double().T, correction=0)
    torch.testing.assert_close(covariance(model), S, rtol=1e-5, atol=1e-6)


def test_the_likelihood_of_ppca_is_that_of_its_gaussian(registry):
    source = real()
    model = registry.train("ppca:latent_dim=2", source)
    gaussian = MultivariateNormal(model.module.m.double(), covariance(model))
    x = source.standardise(source.test).double()
    torch.testing.assert_close(exact(model, source.test), gaussian.log_prob(x), rtol=1e-6, atol=1e-6)


def test_no_other_ppca_is_likelier(registry):
    """At the maximum every small change of the parameters lowers the likelihood of the training split."""
    source = real()
    model = registry.train("ppca:latent_dim=2", source)
    best = exact(model, source.train).mean()
    for parameter in model.module.parameters():
        kept = parameter.clone()
        for seed in range(5):
            parameter.copy_(kept + 0.02 * torch.randn(kept.shape, generator=seeded(seed)))
            assert exact(model, source.train).mean() < best
        parameter.copy_(kept)


def test_the_codes_of_ppca_have_the_posterior_of_a_linear_gaussian_model(registry):
    """z and x are jointly normal, so E[z|x] = Wᵀ C⁻¹ (x − m) and Cov[z|x] = I − Wᵀ C⁻¹ W."""
    source = real()
    model = registry.train("ppca:latent_dim=2", source)
    W, C = model.module.W.double(), covariance(model)
    x = source.standardise(source.test).double()
    mean = (x - model.module.m) @ torch.linalg.solve(C, W)
    torch.testing.assert_close(model.encode(source.test).double(), mean, rtol=1e-5, atol=1e-5)
    n = 20_000
    draws = model.encode(source.test[:1].expand(n, -1), seed=0).double()
    cov = torch.eye(2) - W.T @ torch.linalg.solve(C, W)
    assert ((draws.mean(0) - mean[0]) / (cov.diagonal() / n).sqrt()).abs().max() < 4
    errors = ((cov.diagonal()[:, None] * cov.diagonal() + cov.square()) / n).sqrt()  # of a sample covariance
    assert ((torch.cov(draws.T) - cov) / errors).abs().max() < 4


def test_samples_of_ppca_have_its_mean_and_covariance(registry):
    source, n = real(), 20_000
    model = registry.train("ppca:latent_dim=2", source)
    x, C = source.standardise(model.sample(n, seed=0)).double(), covariance(model)
    assert (x.mean(0) / (C.diagonal() / n).sqrt()).abs().max() < 4
    errors = ((C.diagonal()[:, None] * C.diagonal() + C.square()) / n).sqrt()
    assert ((torch.cov(x.T) - C) / errors).abs().max() < 4


def test_ppca_decodes_the_mean_and_draws_its_noise_on_demand(registry):
    source, n = real(), 20_000
    model = registry.train("ppca:latent_dim=2", source)
    z = torch.tensor([[1.0, -2.0]])
    mean = model.module.m + z @ model.module.W.T
    torch.testing.assert_close(source.standardise(model.decode(z)), mean, rtol=1e-4, atol=1e-5)
    draws = source.standardise(model.decode(z.expand(n, -1), seed=0))
    sigma = model.module.sigma.item()
    assert ((draws.mean(0) - mean) / sigma).abs().max() < 4 / n**0.5
    assert (draws.std(0) / sigma - 1).abs().max() < 4 / (2 * n) ** 0.5


@pytest.mark.parametrize("name", ["ppca", "mixture"])
def test_codes_are_drawn_with_the_probability_that_log_prob_codes_says(name, registry):
    """−1/n Σ log p(z) of draws is the entropy, within four of its standard errors."""
    model, n = registry.train(name, real()), 20_000
    z = model.sample_codes(n, seed=0)
    nats = model.log_prob_codes(z)
    if name == "ppca":
        entropy = 2 * math.log(2 * math.pi * math.e)  # of N(0, I₄)
        torch.testing.assert_close(nats, Normal(0.0, 1.0).log_prob(z).sum(1))
    else:
        entropy = Categorical(model.module.pi).entropy().item()
    assert abs(nats.mean().item() + entropy) < 4 * nats.std().item() / n**0.5


def test_ppca_of_a_single_column_is_refused(registry):
    with pytest.raises(zoo.Unsupported, match="two values or more, got one"):
        registry.create("ppca", zoo.DataSpec((1,), "real"))


def test_ppca_of_grey_values_stays_in_their_range(registry):
    source = data((torch.rand(40, 4, generator=seeded(1)) > 0.5).float(), "bits")
    samples = registry.train("ppca:latent_dim=2", source).sample(1000, seed=0)
    assert samples.min() == 0
    assert samples.max() == 1
    assert ((samples > 0) & (samples < 1)).any()


# The mixture


def reference(module):
    """The same mixture, by torch.distributions."""
    components = Independent(Normal(module.m.double(), module.s.double()), 1)
    return MixtureSameFamily(Categorical(module.pi.double()), components)


def two_clusters(n=400):
    """A third around −3 with sd 0.2, the rest around 1 with sd 0.5, in two columns."""
    first = torch.rand(n, generator=seeded(4)) < 1 / 3
    noise = torch.randn(n, 2, generator=seeded(5))
    return data(torch.where(first[:, None], -3 + 0.2 * noise, 1 + 0.5 * noise), "real"), first


def test_the_likelihood_of_the_mixture_is_that_of_torch(registry):
    source = real()
    model = registry.train("mixture:components=3", source)
    x = source.standardise(source.test).double()
    torch.testing.assert_close(exact(model, source.test), reference(model.module).log_prob(x), rtol=1e-6, atol=1e-6)


def test_em_finds_two_clusters(registry):
    """With clusters this far apart, EM's fixed point is each cluster's share, mean and variance."""
    source, first = two_clusters()
    module = registry.train("mixture:components=2", source, seed=0).module
    x, k = source.standardise(source.train), module.m[:, 0].argsort()
    for cluster, component in zip((first, ~first), k, strict=True):
        torch.testing.assert_close(module.pi[component], cluster.float().mean(), rtol=0, atol=1e-5)
        torch.testing.assert_close(module.m[component], x[cluster].mean(0), rtol=1e-4, atol=1e-4)
        variance = x[cluster].var(0, correction=0) + 1e-4
        torch.testing.assert_close(module.s[component], variance.sqrt(), rtol=1e-3, atol=0)


def test_no_step_of_em_lowers_the_likelihood(registry):
    source = real()
    model = registry.create("mixture:components=5", source)
    x = source.standardise(source.train)
    model.module.start(x, seeded())
    nats = [model.module.improve(x) for _ in range(20)]
    assert all(after > before - 1e-4 for before, after in itertools.pairwise(nats))  # the ridge costs as little
    assert nats[-1] > nats[0] + 0.1
    model.module.start(x, seeded())
    assert nats[0] == pytest.approx(reference(model.module).log_prob(x.double()).mean().item(), abs=1e-5)


def test_em_in_blocks_is_em(registry, monkeypatch):
    import zoo.builtin.controls.mixture as home

    x = real().standardise(real().train)
    steps = []
    for block in (len(x), 37):
        monkeypatch.setattr(home, "_BLOCK", block)
        module = registry.create("mixture:components=3", real()).module
        module.start(x, seeded())
        steps.append((module.improve(x), module.m.clone()))
    torch.testing.assert_close(steps[1], steps[0], rtol=1e-5, atol=1e-5)


def test_the_code_of_the_mixture_is_one_component_drawn_by_its_responsibility(registry):
    source, n = real(), 20_000
    model = registry.train("mixture:components=3", source)
    x = source.standardise(source.test).double()
    mixture = reference(model.module)
    joint = mixture.component_distribution.log_prob(x[:, None]) + mixture.mixture_distribution.logits
    r = model.encode(source.test)
    torch.testing.assert_close(r.double(), joint.softmax(1), rtol=1e-5, atol=1e-6)
    unsure = r.amax(1).argmin()
    draws = model.encode(source.test[unsure].expand(n, -1), seed=0)
    assert torch.equal(draws.sum(1), torch.ones(n))
    assert torch.equal(draws.amax(1), torch.ones(n))
    assert ((draws.mean(0) - r[unsure]).abs() <= 4 * (r[unsure] * (1 - r[unsure]) / n).sqrt() + 1e-9).all()


def test_samples_of_the_mixture_have_its_moments(registry):
    source, n = two_clusters()[0], 20_000
    model = registry.train("mixture:components=2", source)
    x, mixture = source.standardise(model.sample(n, seed=0)).double(), reference(model.module)
    assert ((x.mean(0) - mixture.mean) / (mixture.variance / n).sqrt()).abs().max() < 4
    spread = (x - mixture.mean).square()
    assert ((spread.mean(0) - mixture.variance) / (spread.std(0) / n**0.5)).abs().max() < 4
    assert torch.equal(
        model.decode(torch.eye(2)), source.standardisation[0] + source.standardisation[1] * model.module.m
    )


def test_a_mixture_of_more_components_than_examples_is_a_density(registry):
    """Each example has components of its own, all alike, and the ridge for a variance."""
    source = data(torch.tensor([[0.0, 0.0], [1.0, 1.0]]), "real", n=2)
    model = registry.train("mixture:components=5", source)
    assert model.module.pi.sum().item() == pytest.approx(1)
    torch.testing.assert_close(model.module.s, torch.full((5, 2), 0.01))
    assert exact(model, source.test).tolist() == pytest.approx([math.log(0.5 / (2e-4 * math.pi))] * 2, abs=1e-4)


def test_grey_samples_of_the_mixture_stay_in_their_range(registry):
    samples = registry.train("mixture:components=3", grey()).sample(1000, seed=0)
    assert 0 <= samples.min() < samples.max() <= 1


def test_the_mixture_takes_as_many_passes_as_the_budget_has_steps(registry):
    source = zoo.load_data("digits")
    found = registry.train("mixture:components=4", source, steps=3)
    wanted = registry.train("mixture:components=4,passes=3", source, steps=30)
    for name, value in wanted.module.state_dict().items():
        assert torch.equal(found.module.state_dict()[name], value), name


# copula


def test_the_scores_of_gaussian_columns_are_correlated_as_the_columns_are():
    given = real().train.double()
    assert score_correlation(given).numpy() == pytest.approx(torch.corrcoef(given.T).numpy(), abs=0.03)
    shifted = torch.stack([given[:, 0].exp(), given[:, 1] ** 3, torch.ones(400)], 1)
    found = score_correlation(shifted)
    assert float(found[0, 1]) == pytest.approx(float(score_correlation(given)[0, 1]), abs=1e-9)  # ranks alone count
    assert found[2].tolist() == [0, 0, 1]


def test_equal_values_have_the_mean_of_their_ranks():
    x = torch.tensor([[0.0, 1], [0, 2], [1, 3], [1, 4]], dtype=torch.float64)
    z = Normal(0, 1).icdf(torch.tensor([0.25, 0.75, 0.125, 0.375, 0.625, 0.875], dtype=torch.float64))
    first, second = z[[0, 0, 1, 1]], z[2:]
    expected = (first * second).mean() / (first.square().mean() * second.square().mean()).sqrt()
    assert float(score_correlation(x)[0, 1]) == pytest.approx(float(expected), abs=1e-12)


@pytest.mark.parametrize("source", [grey(), real()], ids=["grey", "real"])
def test_a_copula_draws_each_value_as_often_as_it_is_in_the_training_split(source, registry):
    train, model = source.train.flatten(1), registry.train("copula", source)
    x = model.sample(20_000, seed=0).flatten(1)
    for made, given in zip(x.T, train.T, strict=True):
        values = given.unique()
        of = (made[:, None] - values).abs().argmin(1)  # units are restored with rounding
        assert torch.allclose(made, values[of], atol=1e-5)
        share = torch.bincount(of, minlength=len(values)).double() / len(made)
        expected = (given[:, None] == values).double().mean(0)
        error = (expected * (1 - expected) / len(made)).sqrt()
        assert ((share - expected).abs() < 4.5 * error + 1 / LEVELS).all()


def test_a_copula_of_gaussian_columns_has_their_correlation(registry):
    given = real(n=2000)
    x = registry.train("copula", given).sample(20_000, seed=0).double()
    expected = score_correlation(given.train.double())
    assert score_correlation(x).numpy() == pytest.approx(expected.numpy(), abs=4.5 / math.sqrt(20_000) + 0.01)


def test_a_copula_draws_whole_blocks_with_the_shares_of_their_categories(registry):
    category = torch.tensor([0, 1, 2]).repeat_interleave(torch.tensor([20, 100, 280]))
    block = torch.nn.functional.one_hot(category, 3).double()
    number = category[:, None].double() + 0.1 * torch.randn(400, 1, generator=seeded(4))
    train = torch.cat([number, block], 1)
    spec = zoo.DataSpec((4,), "real", blocks=(1, 3))
    x = registry.train("copula", zoo.Data("given", spec, train, train, train)).sample(10_000, seed=0)
    assert torch.allclose(x[:, 1:], x[:, 1:].round(), atol=1e-6)
    assert torch.equal(x[:, 1:].sum(1).round(), torch.ones(10_000, dtype=x.dtype))
    shares = x[:, 1:].double().mean(0)
    expected = torch.tensor([0.05, 0.25, 0.7], dtype=torch.float64)
    assert ((shares - expected).abs() < 4.5 * (expected * (1 - expected) / 10_000).sqrt()).all()
    mean_of = [float(x[x[:, 1 + c] > 0.5, 0].mean()) for c in range(3)]
    assert mean_of[0] < mean_of[1] < mean_of[2]
