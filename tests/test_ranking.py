"""Who is best and who is tied: paired over seeds, and nothing that the data do not support."""

import pytest

from zoo.results.ranking import fools_metrics, paired_difference, paired_differences, rank
from zoo.results.schema import Cell, Measured, Metric, Row
from zoo.results.summary import summarise

FIGURE = Metric(name="figure", title="figure", summary="", direction="lower", level="headline", paper="")
BOUND = FIGURE.model_copy(update={"name": "bound", "direction": "higher"})
COSTS = dict.fromkeys(("train_seconds", "sample_seconds_per_1000", "parameters"))


def row(name, values, role="contestant", metric="figure", kind="", brackets=None, failed=()):
    """A row with one figure for each seed; a seed of `failed` has none."""
    cells = []
    for seed, value in enumerate(values):
        if seed in failed:
            cells.append(Cell(seed=seed, failed="it diverged", exit_code=6))
            continue
        measured = Measured(value=value, kind=kind, bracket=brackets[seed] if brackets else None)
        cells.append(Cell(seed=seed, metrics={metric: measured}))
    summary = {metric: summarise(cells, metric)}
    return Row(
        contestant=name, role=role, folder=None, settings=None, source=None, summary=summary, cells=cells, **COSTS
    )


def standings(rows, metric=FIGURE):
    return {each.contestant: each.summary[metric.name].standing for each in rank(rows, [metric])}


def test_a_constant_difference_between_seeds_that_vary_is_found_by_pairing():
    rows = [row("a", [1.0, 5.0, 9.0]), row("b", [1.2, 5.2, 9.1])]
    assert standings(rows) == {"a": "best", "b": "behind"}
    found = rank(rows, [FIGURE])[1].summary["figure"].difference
    assert found.mean == pytest.approx(0.5 / 3)
    assert found.half_width == pytest.approx(4.302652729749464 * (0.1 / 3**0.5) / 3**0.5)  # t(0.975; 2) s / √n


def test_a_difference_whose_interval_contains_zero_is_a_tie():
    assert standings([row("a", [1.0, 2.0, 3.0]), row("b", [1.5, 1.9, 3.4])]) == {"a": "best", "b": "tied"}


def test_the_direction_of_the_metric_decides_who_is_best():
    rows = [row("a", [1.0, 2.0], metric="bound"), row("b", [3.0, 4.0], metric="bound")]
    assert standings(rows, BOUND) == {"a": "behind", "b": "best"}


@pytest.mark.parametrize("rows", [[row("a", [1.0]), row("b", [2.0])], [row("a", [1.0, 2.0])]])
def test_nobody_wins_with_one_seed_or_alone(rows):
    assert set(standings(rows).values()) == {None}


def test_a_metric_without_a_direction_ranks_nobody():
    rows = [row("a", [1.0, 2.0]), row("b", [3.0, 4.0])]
    assert set(standings(rows, FIGURE.model_copy(update={"direction": "none"})).values()) == {None}


def test_a_row_with_a_failed_cell_is_never_ranked():
    rows = [row("a", [1.0, 2.0, 3.0], failed={1}), row("b", [3.0, 4.0, 5.0]), row("c", [6.0, 7.0, 8.0])]
    assert standings(rows) == {"a": None, "b": "best", "c": "behind"}


def test_controls_and_real_images_are_never_ranked():
    rows = [
        row("a", [3.0, 4.0]),
        row("b", [5.0, 6.0]),
        row("c", [1.0, 2.0], "control"),
        row("real", [0.0, 1.0], "real"),
    ]
    assert standings(rows) == {"a": "best", "b": "behind", "c": None, "real": None}


def test_a_lower_bound_is_behind_nobody():
    rows = [
        row("a", [-90.0, -90.0], metric="bound", kind="exact"),
        row("b", [-99.0, -99.1], metric="bound", kind="lower"),
    ]
    assert standings(rows, BOUND) == {"a": "best", "b": "open"}


def test_a_bracket_below_the_best_bound_is_behind_and_one_around_it_is_open():
    brackets = [(-99.0, -95.0), (-99.1, -95.1)]
    best = row("a", [-90.0, -90.0], metric="bound", kind="lower")
    below = row("b", [-99.0, -99.1], metric="bound", kind="lower", brackets=brackets)
    around = row("c", [-99.0, -99.1], metric="bound", kind="lower", brackets=[(-99.0, -89.0), (-99.1, -89.2)])
    assert standings([best, below, around], BOUND) == {"a": "best", "b": "behind", "c": "open"}


def test_pairs_are_compared_on_the_seeds_that_both_have():
    first, second = row("a", [1.0, 2.0, 3.0], failed={0}), row("b", [0.0, 1.0, 1.0])
    assert paired_difference(first, second, "figure").mean == pytest.approx(1.5)
    assert paired_difference(first, row("c", [0.0, 0.0]), "figure") is None


def test_every_two_contestants_have_a_difference_for_each_headline_metric():
    rows = [row("a", [1.0, 2.0]), row("b", [3.0, 5.0]), row("c", [0.0, 0.0], "control")]
    (pair,) = paired_differences(rows, [FIGURE])["figure"]
    assert (pair.first, pair.second, pair.mean) == ("a", "b", -2.5)
    assert paired_differences(rows, [FIGURE.model_copy(update={"level": "full"})]) == {}


def test_a_control_fools_a_metric_on_which_it_reaches_real_images():
    real = row("real", [1.0, 1.2], "real")
    rows = [row("copy", [1.1, 1.3], "control"), row("noise", [90.0, 91.0], "control"), real]
    assert fools_metrics(rows, [FIGURE]) == {"copy": ["figure"], "noise": []}
    rows[1] = row("noise", [-90.0, -91.0], "control")
    assert fools_metrics(rows, [FIGURE])["noise"] == ["figure"]


def test_ranking_leaves_its_rows_as_they_were():
    rows = [row("a", [1.0, 2.0]), row("b", [3.0, 4.0])]
    before = [each.model_copy(deep=True) for each in rows]
    assert rank(rows, [FIGURE]) != rows
    assert rows == before
