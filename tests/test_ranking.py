"""Standings: corrected for a table's comparisons, with all parts of the variance, never beyond what a bound says."""

import math

import numpy as np
import pytest
from scipy import stats

from zoo.results.contrast import contrast
from zoo.results.interval import Part, Uncertainty
from zoo.results.ranking import fools_metrics, holm, rank
from zoo.results.schema import Cell, Measured, Metric, Row
from zoo.results.summary import summarise

FIGURE = Metric(name="figure", title="figure", summary="", direction="lower", level="headline", paper="")
BOUND = FIGURE.model_copy(update={"name": "bound", "direction": "higher"})
COSTS = dict.fromkeys(("train_seconds", "sample_seconds_per_1000", "parameters"))


def row(name, values, role="contestant", metric="figure", failed=(), **facts):
    """A row with one figure for each seed; a seed of `failed` has none. `facts` are lists with one entry per seed."""
    cells = []
    for seed, value in enumerate(values):
        if seed in failed:
            cells.append(Cell(seed=seed, failed="it diverged", exit_code=6))
            continue
        measured = Measured(value=value, **{key: its[seed] for key, its in facts.items()})
        cells.append(Cell(seed=seed, metrics={metric: measured}))
    summary = {metric: summarise(cells, metric)}
    return Row(
        contestant=name, role=role, folder=None, settings=None, source=None, summary=summary, cells=cells, **COSTS
    )


def bound(name, values, kind, brackets=None):
    facts = {"kind": [kind] * len(values)} | ({"bracket": brackets} if brackets else {})
    return row(name, values, metric="bound", **facts)


def standings(rows, metric=FIGURE):
    return {each.contestant: each.summary[metric.name].standing for each in rank(rows, [metric]).rows}


def noise(generator, contestants, seeds, groups, metrics, test=1.0):
    """Rows that are all the same model: each has a value per seed, and noise of the test examples of its own."""
    cells = [[{} for _ in range(seeds)] for _ in range(contestants)]
    for metric in metrics:
        for number in range(contestants):
            own = generator.normal(size=groups) * test  # of this contestant: what is not shared
            for seed in range(seeds):
                value = generator.normal() + own.mean()
                left_out = [(own.sum() - each) / (groups - 1) for each in own]
                measured = Measured(value=value, left_out=left_out, stderr=1.0)
                cells[number][seed][metric.name] = measured
    rows = []
    for number, its in enumerate(cells):
        its = [Cell(seed=seed, metrics=metrics_) for seed, metrics_ in enumerate(its)]
        summary = {metric.name: summarise(its, metric.name) for metric in metrics}
        rows.append(
            Row(
                contestant=str(number),
                role="contestant",
                folder=None,
                settings=None,
                source=None,
                summary=summary,
                cells=its,
                **COSTS,
            )
        )
    return rows


# variance


def test_the_interval_combines_seeds_and_test_examples_with_satterthwaite_s_degrees_of_freedom():
    left_out = [[0.1, 0.5, 0.0], [0.3, 0.1, 0.2]]  # of three groups, for two seeds
    figure = row("a", [1.0, 4.0], left_out=left_out).summary["figure"]
    seeds = np.var([1.0, 4.0], ddof=1) / 2
    means = np.mean(left_out, axis=0)
    test = 2 / 3 * ((means - means.mean()) ** 2).sum()
    dof = (seeds + test) ** 2 / (seeds**2 / 1 + test**2 / 2)
    assert figure.half_width == pytest.approx(stats.t.ppf(0.975, dof) * math.sqrt(seeds + test))
    assert figure.seed_stderr == pytest.approx(math.sqrt(seeds))
    assert figure.test_stderr == pytest.approx(math.sqrt(test))


def test_with_one_seed_the_sampling_error_takes_the_place_of_the_seeds():
    figure = row("a", [1.0], stderr=[0.3], left_out=[[0.1, 0.5, 0.0]]).summary["figure"]
    test = 2 / 3 * ((np.array([0.1, 0.5, 0.0]) - 0.2) ** 2).sum()
    dof = (0.09 + test) ** 2 / (0.09**2 / 19 + test**2 / 2)
    assert figure.half_width == pytest.approx(stats.t.ppf(0.975, dof) * math.sqrt(0.09 + test))
    assert figure.seed_stderr is None
    assert row("a", [1.0]).summary["figure"].half_width is None


@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
@pytest.mark.parametrize("law", ["normal", "log-normal"])
def test_intervals_contain_the_truth_in_93_to_97_per_cent(seeds, law):
    generator, inside, trials = np.random.default_rng(seeds), 0, 1500
    for _ in range(trials):
        effects = generator.normal(size=seeds) * 0.5
        values = effects if law == "normal" else np.exp(effects) - math.exp(0.125)
        groups = generator.normal(size=20) * 0.5 * math.sqrt(20)  # a test set's share of the same size as a seed's
        parts = [
            Part(np.var(values, ddof=1) / seeds, seeds - 1),
            Part(np.var(groups, ddof=1) / 20, 19),
        ]
        inside += abs(values.mean() + groups.mean()) <= Uncertainty(parts).half_width()
    assert 0.93 <= inside / trials <= 0.985 if seeds == 2 else 0.93 <= inside / trials <= 0.97


def test_a_difference_of_rows_with_common_seeds_is_taken_seed_by_seed():
    found = contrast(row("a", [1.0, 5.0, 9.0]), row("b", [1.2, 5.2, 9.1]), FIGURE)
    assert found.mean == pytest.approx(-0.5 / 3)
    assert found.uncertainty.half_width() == pytest.approx(4.302652729749464 * (0.1 / 3**0.5) / 3**0.5)


@pytest.mark.parametrize("dofs", [(1, 19), (2, 19), (4, 99), (2, 2)])
def test_p_values_are_valid_far_in_the_tail_whatever_the_shares_of_the_parts(dofs):
    generator, trials, level = np.random.default_rng(0), 200_000, 0.05 / 90
    for share in (0.02, 0.3, 0.7, 0.98):
        true = np.array([share, 1 - share])
        found = true * generator.chisquare(dofs, size=(trials, 2)) / dofs
        mean = generator.normal(size=trials)
        limits = np.sqrt(found @ stats.t.ppf(1 - level / 2, dofs) ** 2)
        assert (np.abs(mean) > limits).sum() <= stats.binom.ppf(0.999, trials, level)
    few = Uncertainty([Part(0.25, dofs[0]), Part(0.75, dofs[1])])
    assert few.significant(2 * few.p_value(1.7)) == pytest.approx(1.7)
    assert few.p_value(-1.7) == pytest.approx(1 - few.p_value(1.7))
    alone = Uncertainty([Part(4.0, dofs[0])])
    assert alone.p_value(3.0) == pytest.approx(stats.t.sf(1.5, dofs[0]))


def test_the_test_set_s_share_of_a_difference_is_what_two_contestants_do_not_share():
    shared, own = [0.0, 3.0, -1.0, 7.0], [0.01, -0.02, 0.0, 0.01]
    rows = [
        row("a", [1.0, 2.0], left_out=[shared, shared]),
        row("b", [1.5, 2.5], left_out=[np.add(shared, own).tolist()] * 2),
    ]
    found = contrast(*rows, FIGURE)
    assert found.parts["test"].variance == pytest.approx(3 / 4 * np.var(own) * 4)
    assert found.parts["test"].dof == 3


def test_rows_with_one_seed_are_compared_by_their_sampling_errors():
    first, second = row("a", [1.0], stderr=[0.3]), row("b", [2.0], stderr=[0.4])
    found = contrast(first, second, FIGURE)
    assert found.uncertainty.stderr == pytest.approx(0.5)
    assert found.uncertainty.dof == pytest.approx(0.25**2 / (0.09**2 / 19 + 0.16**2 / 19))
    assert contrast(first, row("c", [2.0]), FIGURE) is None  # without an error


def test_likelihoods_of_one_seed_are_compared_by_the_differences_of_their_test_examples():
    """One-sided p-value: that of Student's t for the paired jackknife of four groups, with 3 degrees of freedom."""
    shared, own = np.array([-90.0, -93.0, -89.0, -97.0]), np.array([0.1, -0.2, 0.0, 0.1])
    first = row("a", [-90.0], metric="bound", kind=["exact"], left_out=[shared.tolist()])
    second = row("b", [-91.0], metric="bound", kind=["exact"], left_out=[(shared + own).tolist()])
    found = contrast(first, second, BOUND)
    stderr = math.sqrt(3 / 4 * np.var(own) * 4)
    assert found.n == 0
    assert found.uncertainty.stderr == pytest.approx(stderr)
    assert found.better == pytest.approx(stats.t.sf(1 / stderr, 3))
    assert found.worse == pytest.approx(stats.t.cdf(1 / stderr, 3))
    estimated = row("c", [-91.0], metric="bound", kind=["exact"], left_out=[(shared + own).tolist()], stderr=[0.3])
    assert contrast(first, estimated, BOUND).uncertainty.stderr == pytest.approx(math.hypot(stderr, 0.3))
    trained = row("d", [-91.0, -91.4], metric="bound", kind=["exact"] * 2, left_out=[(shared + own).tolist()] * 2)
    assert contrast(first, trained, BOUND).uncertainty.stderr == pytest.approx(
        math.hypot(stderr, 0.2)
    )  # one seed in common


def test_a_figure_of_samples_is_not_compared_without_the_error_of_its_samples():
    first, second = (row(name, [1.0], left_out=[[1.0, 1.1, 0.9]]) for name in "ab")
    assert contrast(first, second, FIGURE) is None


def test_pairs_are_compared_on_the_seeds_that_both_have():
    first = row("a", [1.0, 2.0, 3.0], failed={0})
    found = contrast(first, row("b", [0.0, 1.0, 1.0]), FIGURE)
    assert found.n == 2
    assert found.parts["seeds"].variance == pytest.approx(0.25)


def test_the_number_of_seeds_that_a_difference_needs_solves_its_own_equation():
    found = contrast(row("a", [0.0, 1.0, 2.0, 1.0]), row("b", [1.0, 1.0, 3.5, 1.5]), FIGURE)
    level = 0.05 / 12
    spread = np.var([1.0, 0.0, 1.5, 0.5], ddof=1)

    def seen(n):
        return abs(found.mean) > stats.t.ppf(1 - level / 2, n - 1) * math.sqrt(spread / n)

    needed = found.seeds_needed(level)
    assert seen(needed)
    assert not seen(needed - 1)


# standings


def test_a_difference_beyond_its_noise_is_found_and_a_smaller_one_is_not():
    rows = [row("a", [1.0, 2.0, 3.0, 2.0]), row("b", [1.5, 1.9, 3.4, 2.3]), row("c", [9.0, 10.1, 11.0, 10.0])]
    assert standings(rows) == {"a": "best", "b": "indistinguishable", "c": "behind"}
    difference = rank(rows, [FIGURE]).rows[1].summary["figure"].difference
    spread = math.sqrt(np.var([0.5, -0.1, 0.4, 0.3], ddof=1) / 4)
    assert difference.mean == pytest.approx(0.275)
    assert difference.half_width == pytest.approx(stats.t.ppf(0.975, 3) * spread)
    assert difference.visible == pytest.approx(stats.t.ppf(1 - 0.025 / 3, 3) * spread)  # three pairs in the family


def test_holm_s_p_values_are_those_of_the_definition():
    p = [0.01, 0.04, 0.03, 0.005]
    assert holm(p) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_a_second_column_and_further_contestants_make_a_table_stricter():
    rows = [row("a", [0.0, 0.1, -0.1, 0.05]), row("b", [0.9, 0.95, 0.85, 0.8])]
    alone = rank(rows, [FIGURE]).rows[1].summary["figure"].difference.p_value
    more = [*rows, *(row(name, values) for name, values in (("c", [0.1, 0.9, 0.5, 0.6]), ("d", [0.9, 0.1, 0.4, 0.5])))]
    among = next(r for r in rank(more, [FIGURE]).rows if r.contestant == "b").summary["figure"].difference.p_value
    assert among == pytest.approx(min(1, 6 * alone))  # the smallest of six


def test_the_direction_of_the_metric_decides_who_is_best():
    rows = [row("a", [1.0, 1.01, 1.0], metric="bound"), row("b", [4.0, 4.0, 4.01], metric="bound")]
    assert standings(rows, BOUND) == {"a": "behind", "b": "best"}


def test_a_metric_with_an_ideal_value_ranks_by_the_distance_to_it():
    half = FIGURE.model_copy(update={"ideal": 0.5, "two_sided": True})
    rows = [row("copies", [0.2, 0.21, 0.2]), row("good", [0.55, 0.54, 0.55])]
    assert standings(rows, half) == {"copies": "behind", "good": "best"}
    assert standings(rows) == {"copies": "best", "good": "behind"}


@pytest.mark.parametrize("rows", [[row("a", [1.0]), row("b", [2.0])], [row("a", [1.0, 2.0])]])
def test_nobody_has_a_standing_without_an_error_or_alone(rows):
    assert set(standings(rows).values()) == {None}


def test_two_sets_of_samples_have_a_standing():
    rows = [row("a", [1.0], stderr=[0.1]), row("b", [2.0], stderr=[0.1]), row("c", [1.1], stderr=[0.1])]
    assert standings(rows) == {"a": "best", "b": "behind", "c": "indistinguishable"}


def test_a_metric_without_a_direction_ranks_nobody():
    rows = [row("a", [1.0, 2.0]), row("b", [3.0, 4.0])]
    assert set(standings(rows, FIGURE.model_copy(update={"direction": "none"})).values()) == {None}


def test_a_row_with_a_failed_cell_is_never_ranked():
    rows = [row("a", [1.0, 2.0, 3.0], failed={1}), row("b", [3.0, 3.1, 3.0]), row("c", [6.0, 6.1, 6.0])]
    assert standings(rows) == {"a": None, "b": "best", "c": "behind"}


def test_controls_and_real_images_are_never_ranked():
    rows = [
        row("a", [3.0, 3.1]),
        row("b", [9.0, 9.1]),
        row("c", [1.0, 2.0], "control"),
        row("real", [0.0, 1.0], "real"),
    ]
    assert standings(rows) == {"a": "best", "b": "behind", "c": None, "real": None}


@pytest.mark.parametrize("seeds", [3, *(pytest.param(seeds, marks=pytest.mark.slow) for seeds in (1, 5))])
def test_six_identical_contestants_are_told_apart_in_at_most_5_per_cent_of_tables(seeds):
    generator = np.random.default_rng(seeds)
    metrics = [FIGURE.model_copy(update={"name": f"m{number}"}) for number in range(3)]
    wrong = 0
    for _ in range(100):
        rows = rank(noise(generator, 6, seeds, 20, metrics, test=0.0 if seeds == 1 else 1.0), metrics).rows
        wrong += any(each.summary[metric.name].standing == "behind" for each in rows for metric in metrics)
    assert wrong <= 5  # the test is cautious: about 1 is expected


# bounds


def test_a_lower_bound_is_behind_nobody_and_takes_the_star_from_everybody():
    rows = [bound("a", [-90.0, -90.1], "exact"), bound("b", [-99.0, -99.1], "lower")]
    assert standings(rows, BOUND) == {"a": "open", "b": "open"}


def test_a_bracket_below_the_best_value_is_behind_and_one_around_it_is_open():
    best = bound("a", [-90.0, -90.1], "exact")
    below = bound("b", [-99.0, -99.1], "lower", [(-99.0, -95.0), (-99.1, -95.1)])
    around = bound("c", [-99.0, -99.1], "lower", [(-99.0, -89.0), (-99.1, -89.2)])
    assert standings([best, below], BOUND) == {"a": "best", "b": "behind"}
    assert standings([best, below, around], BOUND) == {"a": "open", "b": "behind", "c": "open"}


def test_bounds_have_no_best_against_each_other_unless_a_bracket_allows_it():
    low = bound("a", [-95.0, -95.1], "lower")
    assert standings([low, bound("b", [-99.0, -99.1], "lower")], BOUND) == {"a": "open", "b": "open"}
    bracket = bound("c", [-97.0, -97.1], "lower", [(-97.0, -96.0), (-97.1, -96.1)])
    assert standings([low, bracket], BOUND) == {"a": "best", "c": "behind"}


def one_seed(name, value, kind, bracket=None, error=True):
    """A likelihood of one training; its test examples differ from row to row by 0.01 nats at most."""
    noise = [0.01 * ((len(name) + place) % 3) for place in range(20)]
    facts = {"left_out": [[value + each for each in noise]]} if error else {}
    facts |= {"bracket": [bracket]} if bracket else {}
    return row(name, [value], metric="bound", kind=[kind], **facts)


def test_bounds_of_one_seed_are_ranked_as_those_of_several_are():
    vae = one_seed("vae", -26.88, "lower")
    below = one_seed("rb", -27.26, "lower", (-27.26, -27.26))
    assert standings([vae, below], BOUND) == {"vae": "best", "rb": "behind"}
    assert standings([vae, one_seed("made", -26.0, "exact")], BOUND) == {"vae": "open", "made": "open"}
    assert standings([one_seed("a", -26.0, "exact"), one_seed("bb", -27.0, "exact")], BOUND) == {
        "a": "best",
        "bb": "behind",
    }
    assert standings([vae, one_seed("ab", -27.0, "estimate")], BOUND) == {"vae": None, "ab": None}


def test_a_bound_without_an_error_leaves_the_order_open_and_a_decided_one_needs_an_error():
    vae = one_seed("vae", -27.0, "lower", error=False)
    rows = [vae, one_seed("b", -26.0, "exact", error=False), one_seed("c", -28.0, "exact", error=False)]
    assert standings(rows[:2], BOUND) == {"vae": "open", "b": "open"}
    assert standings([vae, rows[2]], BOUND) == {"vae": None, "c": None}
    upper = one_seed("c", -25.0, "upper", error=False)
    assert standings([*rows[:2], upper], BOUND) == {"vae": "open", "b": "open", "c": "open"}
    (pair, *_) = rank(rows[:2], [BOUND]).differences["bound"]
    assert (pair.mean, pair.half_width, pair.visible, pair.p_value) == (-1.0, None, None, 1.0)


def test_an_exact_row_without_an_error_is_open_where_a_bound_may_be_on_either_side():
    rows = [
        one_seed("a", -30.0, "lower", error=False),
        one_seed("b", -26.0, "exact", error=False),
        one_seed("c", -28.0, "exact", error=False),
    ]
    assert standings(rows, BOUND) == {"a": "open", "b": "open", "c": "open"}


def test_an_upper_bound_is_behind_a_higher_lower_bound():
    rows = [bound("a", [-90.0, -90.1], "lower"), bound("b", [-99.0, -99.1], "upper")]
    assert standings(rows, BOUND) == {"a": "best", "b": "behind"}


def test_nothing_is_promised_of_an_estimate():
    rows = [
        bound("a", [-80.0, -80.1], "estimate"),
        bound("b", [-90.0, -90.1], "exact"),
        bound("c", [-99.0, -99.1], "exact"),
    ]
    assert standings(rows, BOUND) == {"a": None, "b": "best", "c": "behind"}


# differences, controls


def test_every_two_contestants_have_a_difference_for_each_headline_metric():
    rows = [row("a", [1.0, 2.0]), row("b", [3.0, 5.0]), row("c", [0.0, 0.0], "control")]
    (pair,) = rank(rows, [FIGURE]).differences["figure"]
    assert (pair.first, pair.second, pair.mean) == ("a", "b", -2.5)
    assert rank(rows, [FIGURE.model_copy(update={"level": "full"})]).differences == {}


def test_a_control_fools_a_metric_on_which_it_reaches_real_images():
    real = row("real", [1.1], "real", stderr=[0.1])
    rows = [row("copy", [1.1, 1.3], "control"), row("noise", [90.0, 91.0], "control"), real]
    assert fools_metrics(rows, [FIGURE]) == {"copy": ["figure"], "noise": []}
    rows[1] = row("noise", [-90.0, -91.0], "control")
    assert fools_metrics(rows, [FIGURE])["noise"] == ["figure"]
    assert fools_metrics(rows, [FIGURE.model_copy(update={"ideal": 1.0, "two_sided": True})])["noise"] == []


@pytest.mark.parametrize(("mean", "fools"), [(0.11, True), (0.13, False), (-0.5, True)])
def test_a_control_fools_a_metric_if_its_interval_contains_the_ideal_value(mean, fools):
    """Half-width: t(0.975; 2) 0.1 / √12 = 0.124; the noise of the few real images is not on its side."""
    rows = [row("a", [mean - 0.05, mean, mean + 0.05], "control"), row("real", [0.0], "real", stderr=[9.0])]
    ideal = FIGURE.model_copy(update={"ideal": 0.0})
    assert fools_metrics(rows, [ideal]) == {"a": ["figure"] if fools else []}
    two_sided = ideal.model_copy(update={"two_sided": True})
    assert fools_metrics(rows, [two_sided]) == {"a": ["figure"] if mean == 0.11 else []}


def test_ranking_leaves_its_rows_as_they_were():
    rows = [row("a", [1.0, 2.0]), row("b", [3.0, 4.0])]
    before = [each.model_copy(deep=True) for each in rows]
    assert rank(rows, [FIGURE]).rows != rows
    assert rows == before
