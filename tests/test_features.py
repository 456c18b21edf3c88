"""The feature space: deterministic, kept in a file, good at its class labels, and in the right order of quality."""

from itertools import pairwise

import numpy as np
import pytest
import torch

import zoo
from zoo.api import Registry
from zoo.builtin.datasets.digits import Digits
from zoo.builtin.features.classifier import feature_network, train_features
from zoo.builtin.metrics.frechet import Frechet, FrechetComponents, FrechetSecond, frechet_distance
from zoo.builtin.metrics.jackknife import bias_corrected
from zoo.evaluation.evaluation import Evaluation
from zoo.evaluation.features import FeatureSpace, feature_space
from zoo.evaluation.reference import reference_split
from zoo.runtime.randomness import generator


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def digits():
    return Digits().load("")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("features")


@pytest.fixture(scope="module")
def phi(digits, folder):
    return feature_space(digits, folder)


@pytest.fixture(scope="module")
def unlabelled():
    """Real-valued data on a noisy three-dimensional subspace of forty dimensions."""
    z = torch.randn(500, 3, generator=seeded(1)) @ torch.randn(3, 40, generator=seeded(2))
    return zoo.Data.from_arrays(z + 0.1 * torch.randn(500, 40, generator=seeded(3)) + 7, name="subspace")


def test_features_are_32_in_double_precision_and_the_same_in_blocks(phi, digits):
    f = phi(digits.train[:1500].repeat(2, 1, 1))
    assert f.shape == (1798, 32)
    assert f.dtype == torch.float64
    torch.testing.assert_close(f[899:902], phi(digits.train[:3]), rtol=0, atol=1e-4)


def test_the_classifier_reads_grey_images_and_bits(digits):
    torch.manual_seed(0)
    with torch.random.fork_rng():
        network = feature_network(digits.spec.shape)
        right = train_features(network, digits, digits.train_labels, digits.valid_labels)
    assert right > 0.93
    bits = FeatureSpace(network, "")(zoo.bernoulli(digits.test, generator(0, "test")))
    train = FeatureSpace(network, "")(zoo.bernoulli(digits.train, generator(1, "test")))
    centres = torch.stack([train[digits.train_labels == k].mean(0) for k in range(10)])
    nearest = torch.cdist(bits, centres).argmin(1)
    assert float((nearest == digits.test_labels).double().mean()) > 0.75


def test_features_have_mean_0_and_variance_1_over_the_training_bits(phi, digits):
    f = phi(zoo.bernoulli(digits.train, generator(2, "test")))
    tolerance = 4.5 * (2 / len(f)) ** 0.5  # two draws of the bits of one set of images
    assert (f.mean(0).abs() < tolerance).all()
    assert ((f.std(0) - 1).abs() < tolerance).all()
    assert abs(float(f.var(0).mean()) - 1) < 0.03  # over 32 units; of grey images it is 0.88


def test_the_classifier_shares_its_accuracy_with_the_protocol(phi):
    assert float(phi.description.split("%")[0].split()[-1]) > 93


def test_a_feature_space_is_a_function_of_the_data_and_leaves_the_callers_random_state(phi, digits, tmp_path):
    torch.manual_seed(123)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    again = feature_space(digits, tmp_path)
    assert again.sha256 == phi.sha256
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])


def test_a_kept_feature_space_is_the_same_and_is_not_trained_again(phi, digits, folder, monkeypatch):
    monkeypatch.setattr("zoo.builtin.features.classifier.train_features", None)
    before = torch.get_rng_state()
    kept = feature_space(digits, folder)
    assert (kept.sha256, kept.description) == (phi.sha256, phi.description)
    assert torch.equal(kept(digits.test), phi(digits.test))
    assert torch.equal(before, torch.get_rng_state())


def damage(content, kind):
    if kind == "cut":
        return content[: len(content) // 2]
    if kind == "one bit":
        return content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]
    if kind == "another accuracy":
        return content.replace(b"% right", b"% wrong")
    return b""


@pytest.mark.parametrize("kind", ["cut", "one bit", "another accuracy", "empty"])
def test_a_damaged_file_is_found_out_and_replaced(tmp_path, kind):
    labels = torch.arange(500) % 2
    data = zoo.Data.from_arrays(torch.rand(500, 5, generator=seeded(4)), labels, name="five", support="unit")
    whole = feature_space(data, tmp_path)
    (file,) = tmp_path.iterdir()
    content = file.read_bytes()
    file.write_bytes(damage(content, kind))
    assert file.read_bytes() != content
    assert feature_space(data, tmp_path).sha256 == whole.sha256
    assert file.read_bytes() == content


def test_another_data_set_has_another_file(unlabelled, digits, folder, phi):
    other = feature_space(unlabelled, folder)
    assert other.sha256 != phi.sha256
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize("support", ["real", "unit"])
def test_without_labels_the_features_are_the_leading_principal_components(unlabelled, tmp_path, support):
    data = unlabelled if support == "real" else zoo.Data.from_arrays(unlabelled.train.sub(6).sigmoid(), name="unit")
    assert data.spec.support == support
    x = data.standardise(data.train)
    f = feature_space(data, tmp_path)(x)
    variances = torch.linalg.eigvalsh(torch.cov(x.double().T)).flip(0)[:32]
    torch.testing.assert_close(f.mean(0), torch.zeros(32).double(), rtol=0, atol=1e-5)
    torch.testing.assert_close(torch.cov(f.T), variances.diag(), rtol=1e-4, atol=1e-4)


def test_principal_components_of_many_even_dimensions_miss_little_of_the_variance(tmp_path):
    data = zoo.Data.from_arrays(torch.randn(500, 100, generator=seeded(8)), name="even")
    x = data.standardise(data.train)
    f = feature_space(data, tmp_path)(x)
    variances = torch.linalg.eigvalsh(torch.cov(x.double().T)).flip(0)[:32]
    assert float(torch.cov(f.T).trace() / variances.sum()) > 0.99


@pytest.mark.parametrize(("n", "d", "components"), [(200, 5, 5), (20, 100, 10), (200, 100, 32)])
def test_there_are_no_more_principal_components_than_dimensions_or_examples(tmp_path, n, d, components):
    data = zoo.Data.from_arrays(torch.randn(n, d, generator=seeded(5)), name="small")
    assert feature_space(data, tmp_path)(data.test).shape == (len(data.test), components)


def test_one_class_is_no_class(unlabelled, tmp_path):
    data = zoo.Data.from_arrays(unlabelled.train, torch.ones(250), name="one class")
    assert "principal components" in feature_space(data, tmp_path).description


@pytest.mark.parametrize("shape", [(8, 8), (28, 28), (3, 32, 32), (4, 4), (64,), (2, 2, 2, 2), (1, 9, 40)])
def test_every_shape_has_a_network(shape):
    x = torch.rand(5, *shape)
    assert feature_network(shape)(x).shape == (5, 32)


def frechet(data, phi, samples):
    return Frechet().measure(Evaluation(None, data, samples, phi)).value


def test_the_distance_puts_real_before_noisy_before_independent_pixels_before_noise(phi, digits):
    real = reference_split(digits).real
    noisy = (real + 0.2 * torch.randn(real.shape, generator=seeded(6))).clamp(0, 1)
    pixels = digits.train.mean(0).expand_as(real)
    noise = torch.rand(real.shape, generator=seeded(7))
    distances = [frechet(digits, phi, x) for x in (real, noisy, pixels, noise)]
    assert all(worse > 1.3 * better for better, worse in pairwise(distances))


def test_missing_classes_show(phi, digits):
    some = digits.valid[digits.valid_labels > 1]
    assert frechet(digits, phi, some) > 0.5 + frechet(digits, phi, digits.valid[: len(some)])


def test_a_perfect_models_bits_are_at_the_floor_among_bits_and_far_above_it_among_grey_images(phi, digits):
    reference, real, *_ = reference_split(digits)
    bits = [zoo.bernoulli(real, generator(seed, "a perfect model")) for seed in range(5)]
    among_bits = [frechet(digits, phi, x) for x in bits]
    assert abs(sum(among_bits) / len(among_bits)) < 0.3  # 0 for a perfect model; one draw varies by 0.15
    among_grey = [frechet_distance(phi(x), phi(reference)) for x in bits]
    assert all(distance > 1.5 * frechet_distance(phi(real), phi(reference)) for distance in among_grey)


# plugins of zoo.features


class Ends:
    """The first and the last value of an example."""

    card = zoo.FeaturesCard(name="ends", summary="the first and the last value")

    @zoo.hookimpl
    def build(self, data):
        if data.spec.support == "real":
            raise zoo.Unsupported("needs images")
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(data.spec.size, 2, bias=False))

    @zoo.hookimpl
    def fit(self, network, data):
        with torch.no_grad():
            network[1].weight.zero_()
            network[1].weight[0, 0] = network[1].weight[1, -1] = 1
        return "the first and the last value"


class Nowhere(Ends):
    @zoo.hookimpl
    def fit(self, network, data):
        network[1].weight.data.fill_(float("nan"))
        return "nan"


def registered(plugin):
    registry = Registry()
    registry.register(plugin, "zoo.features")
    return registry


def test_a_plugin_brings_its_own_features_which_are_kept(digits, unlabelled, tmp_path, monkeypatch):
    found = feature_space(digits, tmp_path, "ends", registered(Ends))
    assert torch.equal(found(digits.test), digits.test.flatten(1)[:, [0, -1]].double())
    assert found.description == "the first and the last value"
    monkeypatch.setattr(Ends, "fit", zoo.hookimpl(lambda self, network, data: 1 / 0))
    assert feature_space(digits, tmp_path, "ends", registered(Ends)).sha256 == found.sha256
    with pytest.raises(zoo.Unsupported, match="needs images"):
        feature_space(unlabelled, tmp_path, "ends", registered(Ends))


def test_features_that_are_not_finite_are_refused(digits, tmp_path):
    with pytest.raises(
        zoo.PluginError, match=r"must be finite and of shape \(B, d\), got shape \(2, 2\) for 2 examples"
    ):
        feature_space(digits, tmp_path, "ends", registered(Nowhere))
    assert not list(tmp_path.iterdir())


def test_a_comparison_in_a_plugin_s_features_says_so(tmp_path, compare):
    contestant = "ae@normal:latent_dim=2,hidden=[8],sample.k=5"
    found = compare(zoo, contestant, seeds=1, steps=2, out=tmp_path, features="components")
    assert found.typed.protocol.features.description == "32 leading principal components of the training split"
    assert found.typed.protocol.features.sha256 == feature_space(zoo.load_data("digits"), tmp_path, "components").sha256
    with pytest.raises(
        zoo.ConfigError, match="No feature space named 'component' is installed. Did you mean 'components'"
    ):
        compare(zoo, contestant, seeds=1, steps=2, out=tmp_path, features="component")


def test_samples_are_evaluated_in_a_plugin_s_features(digits, tmp_path, executor):
    np.save(tmp_path / "mine.npy", digits.train[:718].numpy())
    found = zoo.evaluate(
        f"samples:{tmp_path}/mine.npy", "digits", features="components", out=tmp_path, executor=executor, progress=False
    )
    assert found.typed.protocol.features.description == "32 leading principal components of the training split"


def test_the_second_classifier_is_another_one_and_tables_have_none(phi, digits, unlabelled, folder):
    second = feature_space(digits, folder, "classifier-2")
    assert second.sha256 != phi.sha256
    assert feature_space(digits, folder, "classifier").sha256 == phi.sha256
    with pytest.raises(zoo.Unsupported, match="needs images with labels"):
        feature_space(unlabelled, folder, "classifier-2")
    for name, space in (("classifier-2", second), ("components", feature_space(digits, folder, "components"))):
        metric = FrechetSecond() if name == "classifier-2" else FrechetComponents()
        evaluation = Evaluation(None, digits, digits.valid, phi)
        sets = space(evaluation.sample_bits), space(evaluation.reference_bits)
        assert metric.measure(evaluation) == pytest.approx(bias_corrected(frechet_distance, *sets), abs=1e-3)  # threads
