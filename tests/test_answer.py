"""The answer in words, the settings that differ, and what is copied into a paper: made from the results alone."""

from __future__ import annotations

import copy

import pytest

from tests.report_folder import results, typed
from zoo.report.answer import answer
from zoo.report.settings import differing_settings, shared_settings


@pytest.fixture
def found():
    return results()


def standings(found, metric, **values):
    """Give the contestants these standings by a metric, and all others none."""
    for row in found["rows"]:
        row["summary"][metric]["standing"] = values.get(row["contestant"].replace("@", "_"))


def said(found):
    return {each.finding: each.evidence for each in answer(typed(found))}


def only_frechet(found, **values):
    for metric in found["metrics"]:
        standings(found, metric["name"])
    standings(found, "frechet", **values)


def test_the_best_is_named_with_its_figure_those_behind_and_those_not_told_from_it(found):
    only_frechet(found, ae_gmm="best", vae_gmm="indistinguishable", vae="behind", ae_normal="behind")
    assert said(found)["ae@gmm has the best Fréchet distance."] == (
        "Fréchet distance 9.13 ± 0.42; real images that no model was trained on have 2.11. "
        "Behind: vae (11.80 ± 0.63) and ae@normal (71.3 ± 6.1). "
        "Not distinguishable from it with 5 seeds: vae@gmm (9.31 ± 0.51)."
    )


def test_bounds_have_their_sign_where_the_likelihood_orders_the_table(found):
    found["metrics"], found["fooled"] = [each for each in found["metrics"] if each["name"] == "likelihood"], {}
    standings(found, "likelihood", vae_gmm="best", rbm="behind")
    best, *_ = answer(typed(found))
    assert best.evidence == "log-likelihood ≥ −90.10 ± 0.40. Behind: rbm (≥ −96.60 ± 0.31)."


def test_a_contestant_generates_best_only_if_all_others_are_behind(found):
    only_frechet(found, ae_gmm="best", vae_gmm="behind", vae="behind", ae_normal="behind")
    assert "ae@gmm generates best." in said(found)
    only_frechet(found, ae_gmm="best", vae_gmm="indistinguishable")
    assert "ae@gmm generates best." not in said(found)


def test_one_decoder_with_two_distributions_of_codes_shows_what_the_failure_is_due_to(found):
    only_frechet(found, ae_gmm="best", ae_normal="behind", vae="behind", vae_gmm="indistinguishable")
    for row in found["rows"]:
        if row["contestant"] in ("ae@gmm", "ae@normal"):
            row["summary"]["codes-test"]["mean"] = {"ae@gmm": 0.52, "ae@normal": 0.97}[row["contestant"]]
    text = said(found)
    assert text["ae@normal fails where ae@gmm does not, with the same decoder."] == (
        "Both decode with one trained network and differ only in the distribution from which h is drawn: Fréchet "
        "distance 71.3 ± 6.1 (7.81 times as much) against 9.13 ± 0.42. Share of drawn codes told from real ones (by "
        "chance 0.5): ae@gmm 0.520; ae@normal 0.970."
    )
    assert "vae is behind vae@gmm, with the same decoder." in text  # 11.8 against 9.31 is not called a failure


@pytest.mark.parametrize("standing", ["indistinguishable", "open", None])
def test_no_failure_is_claimed_that_the_standings_do_not_support(found, standing):
    only_frechet(found, ae_gmm="best", ae_normal=standing)
    assert not [finding for finding in said(found) if "decoder" in finding]


def test_another_training_is_not_the_same_decoder(found):
    only_frechet(found, ae_gmm="best", ae_normal="behind")
    next(row for row in found["rows"] if row["contestant"] == "ae@normal")["folder"] = "ae-2"
    assert not [finding for finding in said(found) if "decoder" in finding]


def test_the_other_metrics_name_their_best_and_whether_it_is_alone(found):
    only_frechet(found, ae_gmm="best")
    standings(found, "kernel", ae_gmm="best", vae="behind")
    standings(found, "c2st", vae="best", ae_gmm="indistinguishable")
    assert said(found)["ae@gmm and vae have the best means by the other metrics."] == (
        "ae@gmm: kernel distance; vae: told from real ones. By told from real ones, others are not distinguishable "
        "from it."
    )


def test_open_orders_missing_figures_and_failures_are_said(found):
    only_frechet(found, ae_gmm="best")
    for row in found["rows"]:
        if row["contestant"] == "vae":
            row["summary"]["frechet"] = {"unsupported": "it learned no distribution over h"}
        if row["contestant"] == "vae@gmm":
            row["summary"]["likelihood"] = {**copy.deepcopy(row["summary"]["kernel"]), "standing": "open"}
    text = said(found)
    assert text["vae does not generate."] == "it learned no distribution over h"
    assert "The order by log-likelihood is open." in text
    assert text["rbm:hidden=9 is not ranked: 2 of 5 seeds failed."].startswith("diverged")


def test_without_a_ranking_there_is_no_answer(found):
    for metric in found["metrics"]:
        metric["direction"] = "none"
    assert [finding for finding in said(found) if "best" in finding] == []


def test_settings_that_differ_have_a_line_and_those_that_all_share_a_word(found):
    for row in found["rows"]:
        if row["settings"]:
            row["settings"] = {"config": {"hidden": 64}, "training": {"learning_rate": 0.1}, "options": {"k": 5}}
    found["rows"][0]["settings"]["config"] = {"hidden": 9, "beta": True}
    (table,) = differing_settings(typed(found))
    assert table.columns[0].title == "rbm"
    cells = {line.contestant: [cell.text for cell in line.cells] for line in table.lines}
    assert cells == {"hidden": ["9", *["64"] * 5], "beta": ["true", *["–"] * 5]}
    assert shared_settings(typed(found)) == ["train.learning_rate = 0.1", "sample.k = 5"]
