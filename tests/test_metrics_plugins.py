"""The plugins around the functions: which features they compare, what they note, and when they have no answer."""

import math

import pytest
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from torch import nn

import zoo
from zoo.builtin.datasets.bars_and_stripes import BarsAndStripes
from zoo.builtin.datasets.digits import Digits
from zoo.builtin.metrics import manifold
from zoo.builtin.metrics.adversarial import Adversarial, PrivacyLoss
from zoo.builtin.metrics.authenticity import Authenticity
from zoo.builtin.metrics.classes import Classes, discriminant
from zoo.builtin.metrics.frechet import Frechet, frechet_distance
from zoo.builtin.metrics.jackknife import standard_error, without_each_group
from zoo.builtin.metrics.kernel import Kernel, kernel_distance
from zoo.builtin.metrics.manifold import Coverage, Density, Precision, Recall, density_coverage, precision_recall
from zoo.builtin.metrics.sets import matched
from zoo.builtin.metrics.two_sample import C2ST, c2st
from zoo.builtin.metrics.vendi import Vendi, vendi
from zoo.evaluation.evaluation import Evaluation
from zoo.evaluation.features import FeatureSpace
from zoo.evaluation.reference import reference_split
from zoo.plugins.plugin import Plugin

PIXELS = FeatureSpace(nn.Flatten(), "the pixels themselves")
HEADLINE = (Frechet, Kernel, C2ST)
FULL = (Density, Coverage, Precision, Recall, Adversarial, PrivacyLoss, Vendi, Authenticity, Classes)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def digits():
    return Digits().load("")


@pytest.fixture
def evaluation(digits):
    return Evaluation(None, digits, reference_split(digits).real, PIXELS)


@pytest.fixture
def pair(evaluation):
    """Test images and samples, as bits."""
    return evaluation.reference_bits.flatten(1), evaluation.sample_bits.flatten(1)


def test_figures_of_quality_are_those_of_the_functions_on_bits(evaluation, pair):
    real, fake = pair
    assert Kernel().measure(evaluation).value == kernel_distance(fake, real)
    for metric, figure in ((Frechet(), frechet_distance), (Kernel(), kernel_distance)):
        found = metric.measure(evaluation)
        sampling = without_each_group(lambda x, figure=figure: figure(x, real), fake)
        assert found.stderr == pytest.approx(standard_error(sampling), rel=1e-9)
        test = without_each_group(lambda y, figure=figure: figure(fake, y), real)
        assert found.left_out == pytest.approx(test, rel=1e-9)
    assert Vendi().measure(evaluation) == zoo.Measurement(vendi(fake), note=f"test examples: {vendi(real):.2f}")
    real = real[: len(fake)]  # as many of both
    assert (Density().measure(evaluation), Coverage().measure(evaluation)) == density_coverage(real, fake)
    assert (Precision().measure(evaluation), Recall().measure(evaluation)) == precision_recall(real, fake)
    test = c2st(real, fake)
    assert C2ST().measure(evaluation) == zoo.Measurement(
        test.accuracy, stderr=test.stderr, left_out=test.left_out, p_value=test.p_value
    )


def test_figures_of_one_computation_share_it_within_an_evaluation_only(digits, monkeypatch):
    calls = []
    monkeypatch.setattr(manifold, "precision_recall", lambda *sets: calls.append(sets) or precision_recall(*sets))
    for count in (1, 2):
        evaluation = Evaluation(None, digits, digits.valid if count == 1 else digits.train[:180], PIXELS)
        first = Precision().measure(evaluation), Recall().measure(evaluation), Precision().measure(evaluation)
        assert len(calls) == count
        assert first[0] == first[2] == precision_recall(*calls[-1]).precision


def test_the_order_of_samples_of_known_quality_holds(digits):
    """Real images before independent pixels before one image."""
    real, mean = reference_split(digits).real, digits.train.mean(0)
    pixels = torch.bernoulli(mean.expand_as(real), generator=seeded(1))
    best, poor, worst = (Evaluation(None, digits, x, PIXELS) for x in (real, pixels, mean.round().expand_as(real)))
    for metric in (Frechet, Kernel, C2ST):
        figures = [metric().measure(x).value for x in (best, poor, worst)]
        assert figures == sorted(figures)
        assert figures[1] > 1.2 * figures[0]
    for metric in (Coverage, Recall):
        figures = [metric().measure(x) for x in (best, poor, worst)]
        assert figures[2] < 0.15 < min(figures[:2])
    assert Vendi().measure(worst).value == pytest.approx(1, abs=1e-6)


# Classes


def test_the_discriminant_is_that_of_scikit_learn():
    labels = torch.tensor([2] * 300 + [4] * 40 + [7] * 10)  # unequal shares count
    x = torch.randn(350, 4, generator=seeded(11), dtype=torch.float64) + labels[:, None] * torch.tensor(
        [0.2, 0, 0.1, 0]
    )
    found = discriminant(x, labels)
    other = LinearDiscriminantAnalysis(solver="lsqr").fit(x.numpy(), labels.numpy())
    assert found.W.T.numpy() == pytest.approx(other.coef_, rel=1e-6, abs=1e-9)
    assert found.b.numpy() == pytest.approx(other.intercept_, rel=1e-6)
    assert found.labels.tolist() == [2, 4, 7]


def test_the_discriminant_reads_digits_in_spite_of_pixels_that_never_change(digits):
    found = discriminant(digits.train.flatten(1).double(), digits.train_labels)
    labels = found.labels[(digits.test.flatten(1).double() @ found.W + found.b).argmax(1)]
    assert float((labels == digits.test_labels).double().mean()) > 0.93


def test_class_shares_of_far_classes_are_counted():
    """Three classes far apart on a plane, labelled 3, 5 and 9, and a column that never changes."""
    labels = torch.tensor([3, 5, 9]).repeat(100)
    centres = torch.tensor([[0.0, 0, 1], [50, 0, 1], [0, 50, 1]])
    noise = torch.randn(300, 3, generator=seeded(3)) * torch.tensor([1.0, 1.0, 0.0])
    x = centres.repeat(100, 1) + noise
    data = zoo.Data("plane", zoo.DataSpec((3,), "real"), x, x[:30], x[:30], labels, labels[:30], labels[:30])
    reference, samples = x[:30], torch.cat([x[:30:3]] * 2 + [x[1:30:3]])  # 20 of the first class, 10 of the second
    found = Classes().measure(Evaluation(None, data, samples, PIXELS, against=reference))
    assert found.value == pytest.approx(1 / 3, rel=1e-12)
    assert found.note.endswith("3: 66.7% (33.3%), 5: 33.3% (33.3%), 9: 0.0% (33.3%)")


def test_class_shares_of_real_digits_are_alike_and_of_some_classes_not(digits):
    pool, labels = digits.test, digits.test_labels
    few = Classes().measure(Evaluation(None, digits, pool[labels < 5], PIXELS)).value
    some = math.sqrt(sum(0.1 * 0.9 / n for n in (len(pool), 359)))  # of one share
    assert abs(few - 0.5) < 0.07 + 4.5 * some
    assert Classes().measure(Evaluation(None, digits, pool, PIXELS)).value < 10 / 2 * 2 * some


def test_class_shares_need_two_labelled_classes(digits):
    x = torch.rand(40, 3, generator=seeded(5))
    for labels in (None, torch.ones(40, dtype=torch.int64)):
        data = zoo.Data.from_arrays(x, labels, name="unlabelled")
        with pytest.raises(zoo.Unsupported, match="two classes"):
            Classes().measure(Evaluation(None, data, data.valid, PIXELS))


# when there is no answer


@pytest.mark.parametrize("metric", [*HEADLINE, *FULL])
def test_enumerated_data_are_scored_exactly_instead(metric):
    bars = BarsAndStripes().load("3")
    with pytest.raises(zoo.Unsupported, match="likelihood and valid-patterns"):
        metric().measure(Evaluation(None, bars, bars.train, PIXELS))


@pytest.mark.parametrize(
    ("metric", "least"),
    [(Frechet, 2), (Kernel, 2), (Density, 6), (Coverage, 6), (C2ST, 4), (Precision, 4), (Recall, 4)],
)
def test_too_few_examples_have_no_figure_and_just_enough_have_one(metric, least):
    x = torch.rand(50, 3, generator=seeded(7))
    data = zoo.Data("small", zoo.DataSpec((3,), "unit"), x, x[:10], x[:20])
    few, enough = (Evaluation(None, data, x[:n], PIXELS, against=x[20 : 20 + n]) for n in (least - 1, least))
    with pytest.raises(zoo.Unsupported, match=f"needs at least {least} samples and real examples, got {least - 1}"):
        metric().measure(few)
    answer = metric().measure(enough)
    assert math.isfinite(getattr(answer, "value", answer))


def test_figures_that_depend_on_the_sizes_of_the_sets_use_as_many_of_both(digits):
    many = Evaluation(None, digits, digits.train, PIXELS)  # 899 against 718
    as_many = Evaluation(None, digits, digits.train[:718], PIXELS)
    for metric in (C2ST, Density, Coverage, Precision, Recall):
        found, expected = (metric().measure(each) for each in (many, as_many))
        assert getattr(found, "value", found) == pytest.approx(getattr(expected, "value", expected), abs=0.02)
    assert c2st(*matched(many, 4)).n == 718


@pytest.mark.parametrize("metric", [Adversarial, Authenticity])
def test_memorisation_needs_two_training_examples(metric):
    x = torch.rand(9, 3, generator=seeded(9))
    data = zoo.Data("one", zoo.DataSpec((3,), "unit"), x[:1], x, x)
    with pytest.raises(zoo.Unsupported, match=r"two .*training examples"):
        metric().measure(Evaluation(None, data, x[:4], PIXELS))


@pytest.mark.parametrize("metric", [*HEADLINE, *FULL])
def test_cards_say_where_the_figure_stands(metric):
    plugin = Plugin(metric(), "zoo.metrics")
    assert plugin.card.level == ("headline" if metric in HEADLINE else "full")
    assert len(plugin.card.summary) <= 140
