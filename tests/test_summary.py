"""What a row says of its seeds: no note, warning, p-value or divergent seed is lost, and each names its seed."""

import math

import pytest
from scipy import stats

from zoo.results.notes import merged, pooled
from zoo.results.schema import Cell, Measured
from zoo.results.summary import outlier, summarise


def figure(**facts):
    """The summary of a metric over seeds with these facts, one per seed."""
    seeds = len(next(iter(facts.values())))
    facts = {"value": [1.0] * seeds} | facts
    cells = [
        Cell(seed=seed, metrics={"m": Measured(**{key: its[seed] for key, its in facts.items()})})
        for seed in range(seeds)
    ]
    return summarise(cells, "m")


def test_p_values_of_seeds_are_pooled_by_fisher_s_method():
    p = [0.32, 0.0009, 0.026]
    assert pooled(p) == pytest.approx(stats.combine_pvalues(p, method="fisher").pvalue)
    assert figure(p_value=p).p_value == pytest.approx(6e-4, rel=0.05)
    assert pooled([0.5]) == pytest.approx(0.5)
    assert pooled([0.0]) < 1e-250


def test_equal_notes_stand_once_and_numbers_that_differ_stand_side_by_side():
    assert figure(note=["k = 500", "k = 500"]).note == "k = 500"
    found = figure(note=["AIS, 1,000 temperatures, size 100", "AIS, 1,000 temperatures, size 17.5"]).note
    assert found == "AIS, 1,000 temperatures, size 100 / 17.5 (seeds 0, 1)"


def test_a_note_or_warning_of_one_seed_is_kept_and_names_it():
    assert figure(note=["", "the chain stuck", ""]).note == "the chain stuck (seed 1)"
    assert figure(warning=["", "", "copies"]).warning == "copies (seed 2)"
    assert merged([(3, "a"), (4, "b"), (7, "a")]) == "a (seeds 3, 7); b (seed 4)"
    assert merged([]) == ""


def test_a_divergent_seed_is_named():
    values = [5.1, 5.3, 80.0]
    assert figure(value=values).warning == "seed 2 differs from the others: 80 against a mean of 5.2"
    others = [5.1, 5.3]
    t = (80 - 5.2) / (math.sqrt(0.02) * math.sqrt(1.5))
    assert 3 * 2 * stats.t.sf(t, 1) < 0.01
    assert outlier([0, 1, 2], [5.0, 6.0, 8.0]) == ""
    assert outlier([0, 1], others) == ""
    assert outlier([0, 1, 2], [1.0, 1.0, 1.0]) == ""


def test_bracket_ends_have_the_mean_of_their_errors():
    found = figure(bracket=[(1.0, 2.0), (3.0, 6.0)], bracket_stderr=[(0.3, 0.0), (0.4, 0.1)])
    assert found.bracket == [2.0, 4.0]
    assert found.bracket_stderr == pytest.approx([0.25, 0.05])
