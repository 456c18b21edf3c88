"""Metrics of tables against SciPy and scikit-learn: marginals, associations, train on synthetic, closest record."""

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp
from scipy.stats.contingency import association
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.neighbors import NearestNeighbors
from torch import nn

import zoo
from tests.adult import HEADER, adult, write
from zoo.builtin.metrics.associations import Associations, associations
from zoo.builtin.metrics.closest import ClosestRecord, share_nearer
from zoo.builtin.metrics.jackknife import groups, standard_error
from zoo.builtin.metrics.marginals import Marginals, distances, kolmogorov_smirnov, total_variation
from zoo.builtin.metrics.records import Place, places, scaled
from zoo.builtin.metrics.synthetic import TrainOnSynthetic
from zoo.data.files import read_rows
from zoo.evaluation.evaluation import Evaluation
from zoo.evaluation.features import FeatureSpace

VALUES = FeatureSpace(nn.Flatten(), "the values themselves")
METRICS = (Marginals, Associations, TrainOnSynthetic, ClosestRecord)
NUMBERS = ("age", "years", "hours", "gain")  # without missing values


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return zoo.load_data(f"{write(tmp_path_factory.mktemp('t') / 'adult.csv', adult(600))}:table=mixed")


@pytest.fixture(scope="module")
def samples(data, tmp_path_factory):
    """Rows of another seed, whose wages are shuffled, with a category that the training split lacks."""
    rows = adult(500, seed=9)
    wages = [row[6] for row in rows]
    rows = [[*row[:6], wages[k - 1], *row[7:]] for k, row in enumerate(rows)]
    rows[3][1] = "Preschool"
    path = write(tmp_path_factory.mktemp("s") / "s.csv", rows)
    return read_rows(str(path), data.spec, data.columns, table=data.table).x


@pytest.fixture
def evaluation(data, samples):
    return Evaluation(None, data, samples, VALUES)


def cells(data, x, name):
    """A column of the table as the file has it, from the encoded values alone."""
    place = next(each for each in places(data) if each.name == name)
    return x[:, place.values].numpy()


# Marginals


def test_the_distance_of_numbers_is_that_of_scipy(data, samples):
    n = min(len(samples), len(data.test))
    for name in NUMBERS:
        x, y = (cells(data, each, name)[:n, 0] for each in (samples, data.test))
        found = kolmogorov_smirnov(torch.from_numpy(x), torch.from_numpy(y))
        assert found == pytest.approx(ks_2samp(x, y).statistic, abs=1e-12)


def test_the_distance_of_categories_is_half_the_sum_of_the_differences():
    x, y = torch.tensor([0.0, 0, 1, 2]), torch.tensor([0.0, 1, 1, 1, 3])
    assert total_variation(x, y) == pytest.approx((abs(2 / 4 - 1 / 5) + abs(1 / 4 - 3 / 5) + 1 / 4 + 1 / 5) / 2)


def test_the_figure_is_the_mean_over_the_columns_with_missing_values(data, samples, evaluation):
    n = min(len(samples), len(data.test))
    expected = []
    for name in HEADER:
        x, y = (cells(data, each, name)[:n] for each in (samples, data.test))
        if name == "wage":  # a missing value is below all others
            x, y = (np.where(each[:, 1] == 1, -1.0, each[:, 0]) for each in (x, y))
        if name in (*NUMBERS, "wage", "joined"):
            expected.append(ks_2samp(x.reshape(n, -1)[:, 0], y.reshape(n, -1)[:, 0]).statistic)
        else:  # the unknown category has a share of its own
            shares = [np.append(each.mean(0), 1 - each.sum() / n) for each in (x, y)]
            expected.append(np.abs(shares[0] - shares[1]).sum() / 2)
    found = Marginals().measure(evaluation)
    assert found.value == pytest.approx(np.mean(expected), abs=1e-12)
    assert found.note == "largest: " + ", ".join(
        f"{HEADER[k]} {expected[k]:.2f}" for k in np.argsort(expected)[::-1][:3]
    )
    real, fake, of = data.test[:n].double(), samples[:n].double(), groups(n)
    without_real = [np.mean(distances(places(data), real[of != g], fake)) for g in range(20)]
    without_fake = [np.mean(distances(places(data), real, fake[of != g])) for g in range(20)]
    assert found.left_out == pytest.approx(without_real, abs=1e-12)
    assert found.stderr == pytest.approx(standard_error(without_fake), abs=1e-12)


# Associations


def test_an_association_is_pearson_s_cramer_s_or_the_correlation_ratio(data):
    x = data.test
    a = associations(places(data), x.double())
    at = {name: place for place, name in enumerate(HEADER)}

    def found(first, second):
        assert a[at[first], at[second]] == pytest.approx(float(a[at[second], at[first]]), abs=1e-12)
        return float(a[at[first], at[second]])

    for first, second in (("age", "hours"), ("years", "gain"), ("gain", "joined")):
        r = np.corrcoef(cells(data, x, first)[:, 0], cells(data, x, second)[:, 0])[0, 1]
        assert found(first, second) == pytest.approx(r, abs=1e-9)
    for first, second in (("education", "workclass"), ("education", "income"), ("workclass", "sex")):
        table = cells(data, x, first).T @ cells(data, x, second)
        assert found(first, second) == pytest.approx(association(table.astype(int), method="cramer"), abs=1e-9)
    for category, number in (("education", "age"), ("workclass", "hours"), ("education", "years")):
        block, y = cells(data, x, category), cells(data, x, number)[:, 0]
        means = block @ (block.T @ y / block.sum(0))
        assert found(category, number) == pytest.approx(means.std() / y.std(), abs=1e-9)  # η
    phi = np.corrcoef(cells(data, x, "sex")[:, 1], cells(data, x, "income")[:, 1])[0, 1]
    assert found("sex", "income") == pytest.approx(phi, abs=1e-9)
    assert a[at["country"]].isnan().all()


def test_the_figure_is_the_mean_difference_over_the_pairs_that_vary(data, samples, evaluation):
    n = min(len(samples), len(data.test))
    a, b = (associations(places(data), each[:n].double()).numpy() for each in (samples, data.test))
    pairs = [(i, j) for i in range(11) for j in range(i) if not np.isnan(b[i, j])]
    assert len(pairs) == 45  # of all columns but the constant
    found = Associations().measure(evaluation)
    assert found.value == pytest.approx(np.mean([abs(a[pair] - b[pair]) for pair in pairs]), abs=1e-12)


def test_a_correlation_of_the_other_sign_is_a_difference():
    x = torch.randn(300, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    noise = torch.randn(300, 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    real, fake = torch.cat([x, x + noise], 1), torch.cat([x, -x - noise], 1)
    given = zoo.Data("two", zoo.DataSpec((2,), "real"), real, real, real, columns=("a", "b"))
    found = Associations().measure(Evaluation(None, given, fake, VALUES))
    assert found.value == pytest.approx(2 * np.corrcoef(real.T)[0, 1], abs=1e-9)


# Train on synthetic


def test_the_loss_is_that_of_scikit_learn_s_ridge_regressions(data, samples, evaluation):
    n = min(len(data.train), len(samples))
    test, real, fake = (x.numpy() for x in scaled(data, data.test, data.train[:n], samples[:n]))
    means = []
    for train in (real, fake):
        skills = []
        for place in places(data):
            of = np.zeros(train.shape[1], dtype=bool)
            of[place.values] = True
            if test[:, of].var(0).sum() > 0:
                model = Ridge(alpha=1e-3 * len(train)).fit(train[:, ~of], train[:, of])
                predicted = model.predict(test[:, ~of]).reshape(len(test), -1)
                skills.append(max(0, r2_score(test[:, of], predicted, multioutput="variance_weighted")))
        assert len(skills) == 10
        means.append(np.mean(skills))
    found = TrainOnSynthetic().measure(evaluation)
    assert found.value == pytest.approx(means[0] - means[1], abs=1e-9)
    assert found.note == f"R² {means[1]:.3f} fitted to samples, {means[0]:.3f} to training examples"
    assert len(found.left_out) == 20
    assert np.mean(found.left_out) == pytest.approx(found.value, abs=0.01)


def test_training_examples_lose_nothing_and_shuffled_columns_everything(data):
    same = Evaluation(None, data, data.train, VALUES)
    assert TrainOnSynthetic().measure(same).value == 0
    draws = torch.Generator().manual_seed(0)
    shuffled = data.train.clone()
    for place in places(data):
        shuffled[:, place.values] = shuffled[torch.randperm(len(shuffled), generator=draws), place.values]
    found = TrainOnSynthetic().measure(Evaluation(None, data, shuffled, VALUES))
    assert found.note.startswith("R² 0.00")
    assert found.value > 0.2
    assert Marginals().measure(Evaluation(None, data, shuffled, VALUES)).value < 0.1
    assert Associations().measure(Evaluation(None, data, shuffled, VALUES)).value > 0.08


# Closest record


def test_the_nearest_records_are_those_of_scikit_learn(data, samples, evaluation):
    n = min(len(data.train), len(data.test))
    train, held_out, fake = (x.numpy() for x in scaled(data, data.train[:n], data.test[:n], samples))
    near, far = (NearestNeighbors(n_neighbors=1).fit(each).kneighbors(fake)[0][:, 0] for each in (train, held_out))
    expected = np.mean((near < far - 1e-9) + 0.5 * (np.abs(near - far) <= 1e-9))
    found = ClosestRecord().measure(evaluation)
    assert found.value == pytest.approx(expected, abs=1e-12)
    assert 0.4 < found.value < 0.6  # rows of the same distribution
    assert f"training record {np.sort(near)[(len(near) - 1) // 2]:.2f}" in found.note


def test_copies_are_nearer_to_their_own_set():
    x = torch.randn(50, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = torch.randn(50, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert share_nearer(x, y, x) == 1
    assert share_nearer(x, y, y) == 0
    assert share_nearer(x, x, y) == share_nearer(x, x, x) == 0.5


# Which data


def test_a_column_is_one_number_per_record_with_places_for_what_is_missing_or_unknown():
    x = torch.tensor([[-5.0, 0, 1, 0], [-7, 1, 0, 1], [-6, 0, 0, 0]])
    assert Place("wage", slice(0, 2), is_category=False).of(x).tolist() == [-5, -torch.inf, -6]
    assert Place("sex", slice(2, 4), is_category=True).of(x).tolist() == [0, 1, 2]


def test_a_column_and_a_block_have_variance_one_whatever_their_units(data):
    (train,) = scaled(data, data.train)
    variance = train.var(0, correction=0)
    for place in places(data):
        expected = 0 if place.name == "country" else 2 if place.name == "wage" else 1  # wage: the value and its flag
        assert float(variance[place.values].sum()) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("metric", METRICS)
def test_images_and_unnamed_numbers_are_not_tables(metric):
    images, numbers = torch.rand(40, 2, 2), torch.randn(40, 3)
    for x in (images, numbers):
        given = zoo.Data.from_arrays(x)
        with pytest.raises(zoo.Unsupported, match="needs a table of real values with named columns, or a mixed table"):
            metric().measure(Evaluation(None, given, given.valid, VALUES))


@pytest.mark.parametrize("metric", METRICS)
def test_two_examples_or_one_column_have_a_figure_or_a_reason(metric):
    x = torch.randn(40, 1, generator=torch.Generator().manual_seed(0))
    given = zoo.Data.from_arrays(x, columns=("a",))
    if metric in (Associations, TrainOnSynthetic):
        with pytest.raises(zoo.Unsupported, match="needs two columns"):
            metric().measure(Evaluation(None, given, given.valid, VALUES))
    with pytest.raises(zoo.Unsupported, match="at least|two columns"):
        metric().measure(Evaluation(None, given, given.valid[:1], VALUES))
