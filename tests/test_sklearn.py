"""`zoo.sklearn.GenerativeModel`: scikit-learn's own checks, and what a `zoo.Model` returns behind them."""

import dataclasses
import importlib
import pickle
import sys

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks
from torch import nn

import zoo
from tests.independent_pixels import IndependentPixels
from zoo.sklearn import GenerativeModel

TINY = "vae@gaussian:hidden=[4],latent_dim=2,sample.k=2"
RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3)) * [1, 5, 0.1] + [0, 100, 0]


def test_it_passes_the_checks_of_scikit_learn():
    results = estimator_checks.check_estimator(GenerativeModel(TINY, steps=1), on_fail=None, on_skip=None)
    assert {each["check_name"] for each in results if each["status"] == "passed"} >= {
        "check_fit2d_1feature",
        "check_estimators_pickle",
        "check_transformer_preserve_dtypes",
    }
    of_status = {
        status: {each["check_name"] for each in results if each["status"] == status} for status in ("failed", "skipped")
    }
    assert of_status["failed"] == set()
    assert of_status["skipped"] <= {"check_array_api_input", *DETERMINISTIC}


DETERMINISTIC = ("check_transformer_general", "check_transformer_data_not_an_array", "check_pipeline_consistency")


class Deterministic(GenerativeModel):
    """With a tag that lets all checks run; only those of its scores' order must fail."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.non_deterministic = False
        return tags


@pytest.mark.parametrize("check", DETERMINISTIC)
def test_its_codes_are_deterministic(check):
    getattr(estimator_checks, check)("Deterministic", Deterministic(TINY, steps=1))


class Normal:
    """x ~ N(0, I), with bounds half a nat below and above; the code of x is 2x, in the shape of x."""

    card = zoo.Card(
        name="normal", summary="N(0, I)", config=zoo.Config, trains_on="real", latent="real", samples="draws"
    )

    @zoo.hookimpl
    def build(self, data):
        module = nn.Identity()
        module.shape = data.shape
        return module

    @zoo.hookimpl
    def fit(self):
        pass

    @zoo.hookimpl
    def encode(self, x):
        return 2 * x

    @zoo.hookimpl
    def decode(self, z):
        return z / 2

    @zoo.hookimpl
    def sample(self, model, n, generator):
        return torch.randn(n, *model.shape, generator=generator)

    @zoo.hookimpl
    def log_prob(self, x):
        nats = torch.distributions.Normal(0, 1).log_prob(x).flatten(1).sum(1)
        return zoo.LogProb(nats + 0.5, "upper"), zoo.LogProb(nats - 0.5, "lower")


@pytest.fixture
def normal(monkeypatch):
    """The model above, for images of 3 × 1, fitted to X."""
    registry = zoo.Registry()
    registry.register(Normal)
    monkeypatch.setattr("zoo.api.train", registry.train)
    return GenerativeModel("normal", shape=(3, 1), steps=1).fit(X)


def test_codes_and_scores_are_those_of_the_standardised_examples_and_all_of_them_are_used(normal):
    white = (X - X.mean(0)) / X.std(0)
    np.testing.assert_allclose(normal.transform(X), 2 * white, atol=1e-4)
    np.testing.assert_allclose(normal.inverse_transform(2 * white), X, rtol=1e-5, atol=1e-5)
    lower = stats.norm.logpdf(white).sum(1) - 0.5
    np.testing.assert_allclose(normal.score_samples(X), lower, rtol=1e-4)
    assert normal.score(X) == pytest.approx(lower.mean(), rel=1e-5)


def test_samples_are_in_the_users_units_and_repeat_with_a_seed_only(normal):
    samples = normal.sample(4000, random_state=1)
    np.testing.assert_allclose(samples.mean(0), X.mean(0), atol=5 * X.std(0).max() / 4000**0.5)
    np.testing.assert_allclose(samples.std(0), X.std(0), rtol=5 / 8000**0.5)
    assert np.array_equal(samples, normal.sample(4000, random_state=1))
    assert not np.array_equal(normal.sample(2), normal.sample(2))


def test_a_pickle_holds_the_model_file_and_gives_the_same_model():
    fitted = GenerativeModel(TINY, steps=2, random_state=3).fit(X)
    again = pickle.loads(pickle.dumps(fitted))
    assert again.get_params() == fitted.get_params()
    assert np.array_equal(again.score_samples(X), fitted.score_samples(X))
    assert np.array_equal(again.sample(5, random_state=0), fitted.sample(5, random_state=0))
    content = bytearray(fitted.__getstate__()["model_"])
    content[-1] ^= 1
    with pytest.raises(zoo.CheckpointError, match="damaged"):
        GenerativeModel().__setstate__({"model_": bytes(content)})


def test_a_pipeline_tells_malignant_tumours_from_benign_ones_and_a_search_tunes_it():
    x, y = load_breast_cancer(return_X_y=True)
    benign, malignant = x[y == 1], x[y == 0]
    pipeline = make_pipeline(
        StandardScaler(), GenerativeModel("vae@gmm:hidden=[32],latent_dim=4,sample.k=20", epochs=20)
    )
    test = np.vstack([benign[200:], malignant])
    scores = -pipeline.fit(benign[:200]).score_samples(test)
    is_malignant = np.repeat([0, 1], [len(benign) - 200, len(malignant)])
    assert roc_auc_score(is_malignant, scores) > 0.9  # 0.97; chance is 0.5, its standard error 0.03

    grid = {"generativemodel__epochs": [0.01, 20]}
    search = GridSearchCV(pipeline, grid, cv=2, refit=False).fit(benign[:200])
    assert search.best_params_ == {"generativemodel__epochs": 20}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"support": "unit"}, r"With support='unit', the values of X must be in \[0, 1\], got values in \[.*\]; scale"),
        ({"shape": (2, 2)}, r"shape must have the size of a row of X, 3, got \(2, 2\)"),
    ],
)
def test_data_that_do_not_fit_are_refused(settings, message):
    with pytest.raises((ValueError, zoo.ConfigError), match=message):
        GenerativeModel(TINY, **settings).fit(X)


def test_values_in_the_unit_interval_give_samples_in_it():
    unit = (X - X.min(0)) / (X.max(0) - X.min(0))
    samples = GenerativeModel(TINY, support="unit", steps=1).fit(unit).sample(50)
    assert samples.min() >= 0
    assert samples.max() <= 1


class Coins(IndependentPixels):
    """Independent pixels whose p is the mean of grayscale values."""

    card = dataclasses.replace(IndependentPixels.card, trains_on="grey")

    @zoo.hookimpl
    def fit(self, model, train):
        model.p.copy_(train.mean(0))


UNIT = RNG.random((400, 3))


@pytest.fixture
def coins(monkeypatch):
    """The model above, fitted to grayscale values."""
    registry = zoo.Registry()
    registry.register(Coins)
    monkeypatch.setattr("zoo.api.train", registry.train)
    return GenerativeModel("coins", support="unit", steps=1, random_state=5).fit(UNIT)


def test_grayscale_values_are_scored_as_one_draw_of_bits(coins):
    p = UNIT.mean(0)
    of_pattern = {bits: stats.bernoulli.logpmf(bits, p).sum() for bits in np.ndindex(2, 2, 2)}
    seed = int(np.random.RandomState(5).randint(2**31 - 1))
    bits = zoo.bernoulli(torch.from_numpy(UNIT.astype(np.float32)), zoo.generator(seed, "bits of the scores"))
    expected = [of_pattern[tuple(map(int, row))] for row in bits.tolist()]
    scores = coins.score_samples(UNIT)
    np.testing.assert_allclose(scores, expected, rtol=1e-5)
    assert coins.score(UNIT) == pytest.approx(np.mean(expected), rel=1e-5)
    entropy, each = (stats.bernoulli.entropy(p)).sum(), np.std(scores) / len(scores) ** 0.5
    assert scores.mean() == pytest.approx(-entropy, abs=4 * each)  # E[b] = x, whose mean is p


def test_the_draw_of_bits_is_that_of_the_random_state_and_bits_are_kept(coins):
    scores = coins.score_samples(UNIT)
    assert np.array_equal(scores, coins.score_samples(UNIT))
    assert not np.array_equal(scores, coins.set_params(random_state=6).score_samples(UNIT))
    bits = np.array(list(np.ndindex(2, 2, 2)))
    np.testing.assert_allclose(coins.score_samples(bits), stats.bernoulli.logpmf(bits, UNIT.mean(0)).sum(1), rtol=1e-5)


def test_a_search_scores_grayscale_values():
    grid = {"epochs": [0.01, 30]}
    pixels = load_digits().data[:300] / 16
    tuned = GenerativeModel("vae:hidden=[32],latent_dim=4,sample.k=5", support="unit")
    search = GridSearchCV(tuned, grid, cv=2).fit(pixels)
    assert search.best_params_ == {"epochs": 30}
    low, high = search.cv_results_["mean_test_score"]
    assert low < high < 0
    assert search.score(pixels) == search.best_estimator_.score(pixels)


def test_bits_are_zeros_and_ones():
    with pytest.raises(
        ValueError, match=r"With support='bits', the values of X must be 0 or 1, got values in \[0, 1\]"
    ):
        GenerativeModel(TINY, support="bits").fit([[0, 1], [0.5, 1], [1, 1]])


@pytest.mark.parametrize("seed", [-1, 1.5, True, np.True_, "1"], ids=repr)
def test_an_invalid_random_state_is_refused_before_training(normal, seed):
    with pytest.raises(ValueError, match="andom_?State|between 0 and 2|cannot be used to seed"):
        GenerativeModel(TINY, random_state=seed).fit(X)
    with pytest.raises(ValueError, match="andom_?State|between 0 and 2|cannot be used to seed"):
        normal.sample(2, random_state=seed)


def test_an_integer_of_numpy_is_the_same_random_state(normal):
    assert np.array_equal(normal.sample(3, random_state=np.int64(7)), normal.sample(3, random_state=7))


def test_codes_of_another_size_are_refused(normal):
    with pytest.raises(ValueError, match="Z must have 3 columns, one for each value of a code, got 2"):
        normal.inverse_transform(np.zeros((1, 2)))


def test_an_older_scikit_learn_is_refused_in_one_sentence(monkeypatch):
    monkeypatch.delattr("sklearn.utils.validation.validate_data")
    monkeypatch.delitem(sys.modules, "zoo.sklearn")
    with pytest.raises(
        zoo.ConfigError, match=r'needs scikit-learn 1.6 or later; install it: pip install "genzoo\[sklearn\]"'
    ):
        importlib.import_module("zoo.sklearn")
