"""Several data sets: mean ranks, critical differences and groups, with the figures of Demšar (2006)."""

from __future__ import annotations

import pytest
from scipy.stats import friedmanchisquare

from tests.report_folder import results, typed
from zoo.report.critical_difference import diagram_image, diagram_svg
from zoo.report.summary import Summary, summary_text
from zoo.results.ranking import rank
from zoo.results.ranks import ColumnRanks, critical_difference, groups, mean_ranks, ranks_of
from zoo.results.schema import BudgetFacts, Cell, Measured, TunedContestant, Tuning
from zoo.results.summary import summarise

# Demšar (2006), table 6: AUC of C4.5, with m, with cf, with both, on 14 data sets.
TABLE_6 = [
    (0.763, 0.768, 0.771, 0.798),
    (0.599, 0.591, 0.590, 0.569),
    (0.954, 0.971, 0.968, 0.967),
    (0.628, 0.661, 0.654, 0.657),
    (0.882, 0.888, 0.886, 0.898),
    (0.936, 0.931, 0.916, 0.931),
    (0.661, 0.668, 0.609, 0.685),
    (0.583, 0.583, 0.563, 0.625),
    (0.775, 0.838, 0.866, 0.875),
    (1.000, 1.000, 1.000, 1.000),
    (0.940, 0.962, 0.965, 0.962),
    (0.619, 0.666, 0.614, 0.669),
    (0.972, 0.981, 0.9751, 0.975),  # printed as equal, and ranked 2 and 3
    (0.957, 0.978, 0.946, 0.970),
]


def test_mean_ranks_and_the_critical_difference_are_those_of_the_published_example():
    assert [round(rank, 3) for rank in mean_ranks(TABLE_6)] == [3.143, 2.000, 2.893, 1.964]
    assert round(critical_difference(4, 14), 2) == 1.25
    assert round(critical_difference(4, 14, level=0.10), 2) == 1.12


@pytest.mark.parametrize(("contestants", "q"), [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (10, 3.164)])
def test_the_quantiles_are_those_of_the_published_table(contestants, q):
    n = contestants * (contestants + 1) / 6  # at which CD = q
    assert critical_difference(contestants, n) == pytest.approx(q, abs=1e-3)  # the table has no rounded digits


def test_groups_are_the_longest_runs_within_the_critical_difference():
    ranks = {"a": 1.0, "b": 1.9, "c": 2.0, "d": 3.0, "e": 4.5}
    assert groups(ranks, 1.0) == (("a", "b"), ("b", "c"))
    assert groups(ranks, 1.1) == (("a", "b", "c"), ("c", "d"))  # b and d differ by 1.1
    assert groups(ranks, 9.0) == (("a", "b", "c", "d", "e"),)
    assert groups(ranks, 0.05) == ()


def on_data(means, **more):
    """Results with these Fréchet distances, None for a row without standing."""
    whole = typed(results())
    rows = []
    for row in whole.rows:
        if row.contestant not in means and row.role == "contestant":
            continue
        if row.contestant in means:
            mean = means[row.contestant]
            change = {"standing": None} if mean is None else {"mean": mean, "standing": "behind"}
            figure = row.summary["frechet"].model_copy(update=change)
            row = row.model_copy(update={"summary": {**row.summary, "frechet": figure}})
        rows.append(row)
    metrics = [metric for metric in whole.metrics if metric.name == "frechet"]
    protocol = whole.protocol.model_copy(update=more)
    return whole.model_copy(update={"rows": rows, "metrics": metrics, "protocol": protocol})


def test_contestants_are_ranked_on_each_data_set_and_one_without_a_figure_is_left_out():
    names = ("vae", "ae@gmm", "ae@normal")
    distances = [(1.0, 2.0, 3.0), (1.0, 2.0, 2.0), (5.0, 4.0, 9.0), (1.0, 2.0, 3.0), (1.0, 2.0, 3.0)]
    tables = {f"d{place}": on_data(dict(zip(names, each, strict=True))) for place, each in enumerate(distances)}
    (column,) = ranks_of(tables)
    assert column.ranks == {"vae": 1.2, "ae@gmm": pytest.approx(1.9), "ae@normal": pytest.approx(2.9)}
    assert column.wins == {"vae": 4, "ae@gmm": 1, "ae@normal": 0}
    assert column.friedman == friedmanchisquare(*zip(*distances, strict=True)).pvalue
    assert column.critical_difference == critical_difference(3, 5)
    assert column.groups == (("vae", "ae@gmm"), ("ae@gmm", "ae@normal"))
    few = dict(list(tables.items())[:4])
    few["d1"] = on_data({"vae": 1.0, "ae@gmm": 2.0, "ae@normal": None})
    (column,) = ranks_of(few)
    assert (list(column.ranks), column.left_out) == (["vae", "ae@gmm"], {"ae@normal": ["d1"]})
    assert (column.critical_difference, column.friedman, column.groups) == (None, None, ())


def likelihoods(declared=(), noise=0.0, **figures):
    """Results with ranked likelihoods of two seeds: kind, value and perhaps bracket of each contestant.

    Args:
        declared: contestants with a declared noise.
        noise: difference of the seeds, of alternating sign from contestant to contestant.
    """
    whole = typed(results())
    metric = next(each for each in whole.metrics if each.name == "likelihood")
    rows = []
    for place, (name, (kind, value, *more)) in enumerate(figures.items()):
        facts = {"kind": kind, "bracket": more[0] if more else None, "declared": name in declared}
        values = [value + (-1) ** (place + seed) * noise / 2 for seed in (0, 1)]
        measured = [Measured(value=each, **facts) for each in values]
        cells = [Cell(seed=seed, metrics={"likelihood": each}) for seed, each in enumerate(measured)]
        summary = {"likelihood": summarise(cells, "likelihood")}
        rows.append(whole.rows[0].model_copy(update={"contestant": name, "summary": summary, "cells": cells}))
    return whole.model_copy(update={"rows": rank(rows, [metric]).rows, "metrics": [metric], "fooled": {}})


def test_a_data_set_on_which_a_bound_leaves_an_order_open_gives_no_ranks_and_no_wins():
    decided = likelihoods("c", a=("lower", -80.0), b=("exact", -90.0), c=("lower", -99.0, (-99.0, -95.0)))
    undecided = likelihoods(a=("lower", -95.0), b=("exact", -90.0), c=("exact", -99.0))
    # b and c are both behind a, and their brackets overlap
    nested = likelihoods(a=("exact", -80.0), b=("lower", -95.0, (-95.0, -92.0)), c=("lower", -99.0, (-99.0, -90.0)))
    assert {row.summary["likelihood"].standing for row in nested.rows} == {"best", "behind"}
    noisy = likelihoods(noise=1.0, a=("lower", -89.9), b=("exact", -90.0), c=("exact", -99.0))  # a above b by chance
    assert [row.summary["likelihood"].standing for row in noisy.rows] == ["best", "open", "behind"]
    tables = {"decided": decided, "undecided": undecided, "nested": nested, "noisy": noisy}
    (column,) = ranks_of(tables)
    assert (column.data, column.open) == (["decided"], ["undecided", "nested", "noisy"])
    assert column.ranks == {"a": 1.0, "b": 2.0, "c": 3.0}
    assert column.wins == {"a": 1, "b": 0, "c": 0}
    assert column.declared == {"c": ["decided"]}
    assert Summary(tables, {}, [column]).notes == [
        "log-likelihood: on decided only.",
        "log-likelihood: no ranks or wins from undecided, nested, noisy, where a bound leaves the order of "
        "contestants open.",
        "log-likelihood: c has a declared noise, which training did not use, on decided.",
        "Whether mean ranks differ is tested from 5 data sets on.",
    ]


def test_bounds_on_every_data_set_have_no_column_and_a_note_instead_of_a_test():
    tables = {f"d{place}": likelihoods(a=("lower", -95.0), b=("lower", -90.0)) for place in range(5)}
    (column,) = ranks_of(tables)
    assert (column.ranks, column.wins, column.critical_difference) == ({}, {}, None)
    summary = Summary(tables, {}, [column])
    assert summary.table == (["contestant"], [])
    assert summary_text(summary).splitlines() == [
        "Mean rank (and wins) on 5 data sets: d0, d1, d2, d3, d4",
        "No column ranks two contestants on every data set.",
        "log-likelihood: no ranks or wins from d0, d1, d2, d3, d4, where a bound leaves the order of contestants open.",
    ]
    exact = {f"d{place}": likelihoods(a=("exact", -95.0), b=("exact", -90.0)) for place in range(5)}
    assert ranks_of(exact)[0].ranks == {"b": 1.0, "a": 2.0}


def tuning(chosen):
    """Facts of a tuning of `vae` that chose this contestant."""
    budget = BudgetFacts(value=2, unit="epochs")
    facts = {"space": {}, "default_value": 2.0, "value": 1.0, "completed": 2, "pruned": 0, "failed": 0}
    contestants = [TunedContestant(contestant="vae", tuned=chosen, **facts)]
    return Tuning(trials=2, budget=budget, metric="kernel", seed=1, sampler="", contestants=contestants)


def test_a_tuned_contestant_is_one_whatever_its_settings_are():
    other = on_data({"vae": 2.0, "ae@gmm": 1.0}, tuning=tuning("ae@gmm"))
    same = on_data({"vae": 2.0}, tuning=tuning("vae"))
    (column,) = ranks_of({"other": other, "same": same})
    assert column.ranks == {"vae, tuned": 1.25, "vae": 1.75}


def test_a_bound_shares_its_rank_with_itself_where_the_defaults_were_the_best_settings():
    table = likelihoods(vae=("lower", -80.0), b=("exact", -90.0))
    protocol = table.protocol.model_copy(update={"tuning": tuning("vae")})
    (column,) = ranks_of({"d": table.model_copy(update={"protocol": protocol})})
    assert column.ranks == {"vae": 1.5, "vae, tuned": 1.5, "b": 3.0}


def test_the_diagram_has_every_contestant_at_its_rank_and_a_bar_for_each_group():
    ranks = {"a": 1.0, "b": 1.5, "<c>": 3.0}
    column = ColumnRanks("m", "m", ["d"] * 6, ranks, {}, {}, 0.01, 1.35, (("a", "b"),))
    svg = diagram_svg(column)
    for text in ("a  1.00", "b  1.50", "3.00  &lt;c&gt;", "critical difference 1.35"):
        assert text in svg
    wide = [line for line in svg.split("<polyline") if 'stroke-width="4"' in line]
    assert len(wide) == 1
    assert 'points="286.0,72.0 374.0,72.0"' in wide[0]  # rank 1 is at 290 and rank 3 at 610
    image = diagram_image(column)
    assert image.size == (1800, 2 * int(svg.split('height="')[1].split('"')[0]))
