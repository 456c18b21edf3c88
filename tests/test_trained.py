"""How a table's contestants were trained: in the headings, notes, reports and lists, each row with its own."""

from __future__ import annotations

import pytest

import zoo
from tests.report_folder import results, typed, write_folder
from zoo.cli.main import run
from zoo.comparison.runs import describe
from zoo.report.latex import to_latex
from zoo.report.table import to_markdown
from zoo.results.trained import all_trained, in_brief, in_full


def table(*rows, budget={"value": 3, "unit": "epochs"}):  # noqa: B006
    """Results with rows `(name, kind, seeds, settings)`."""
    found = results()
    like = {"ae@gmm": found["rows"][2], "real": found["rows"][-1]}
    found["rows"] = [
        like["ae@gmm"]
        | {"contestant": name, "kind": kind, "settings": settings}
        | {"cells": [like["ae@gmm"]["cells"][0] | {"seed": seed} for seed in seeds]}
        for name, kind, seeds, settings in rows
    ]
    found["rows"].append(like["real"])
    found["protocol"]["budget"] = budget
    return typed(found | {"differences": {}, "fooled": {}, "sensitivity": [], "pictures": {}})


RUN = ("runs/vae", "run", [7], {"budget": "20 epochs"})
OTHER_RUN = ("runs/ae", "run", [1], {"budget": "20 epochs"})
LONG_RUN = ("runs/rbm", "run", [0], {"budget": "500 steps", "weights": "ab12cd34ef56ab" + 50 * "0"})
SAMPLES = ("samples:x.npy", "samples", [0], None)
RBM, AE = ("rbm", "trained", [0, 1], {}), ("ae@gmm", "trained", [0, 1], {})


@pytest.mark.parametrize(
    ("rows", "brief", "full"),
    [
        ([RBM, AE], "3 epochs, 2 seeds", ""),
        ([RBM, SAMPLES], "3 epochs, 2 seeds", ""),
        ([("rbm", "", [0], None)], "3 epochs, 1 seed", ""),  # a file before genzoo 0.2
        ([RUN], "a run of 20 epochs with seed 7", ""),
        ([SAMPLES], "", ""),
        (
            [RUN, OTHER_RUN],
            "runs of 20 epochs",
            "Trainings: runs/vae: a run of 20 epochs with seed 7; runs/ae: a run of 20 epochs with seed 1",
        ),
        (
            [RUN, LONG_RUN],
            "runs with different budgets",
            "Trainings: runs/vae: a run of 20 epochs with seed 7; runs/rbm: a run of 500 steps with seed 0, started "
            "from weights of sha256 ab12cd34ef56",
        ),
        (
            [RBM, RUN, AE],
            "3 epochs, 2 seeds",
            "Trainings: rbm, ae@gmm: 3 epochs, 2 seeds; runs/vae: a run of 20 epochs with seed 7",
        ),
        (
            [RBM, ("made", "trained", [4, 5, 6], {})],
            "3 epochs, 2 to 3 seeds",
            "Trainings: rbm: 3 epochs, 2 seeds; made: 3 epochs, 3 seeds",
        ),
        (
            [RBM, ("made", "trained", [0], {"budget": "2 epochs"})],
            "trainings with different budgets",
            "Trainings: rbm: 3 epochs, 2 seeds; made: 2 epochs, 1 seed",
        ),
    ],
)
def test_a_table_says_how_its_contestants_were_trained_and_of_each_row_where_they_differ(rows, brief, full):
    found = table(*rows)
    assert (in_brief(found), in_full(found)) == (brief, full)
    heading = to_markdown(found).partition("\n")[0]
    assert heading == f"**digits: {brief}{', ' * bool(brief)}mean ± 95 % interval**"
    assert (f"\n\n{full}." in to_markdown(found)) == bool(full)
    assert f"\\caption{{How well each model generates: digits{', ' * bool(brief)}{brief}}}" in to_latex(found)


def test_rows_that_were_not_trained_have_no_training():
    assert list(all_trained(table(RBM, SAMPLES, RUN))) == ["rbm", "runs/vae"]
    assert all_trained(table(RBM, budget=None)) == {}


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """A comparison of one finished run: two epochs, seed 5, from the weights of another run."""
    folder = tmp_path_factory.mktemp("evaluated")
    zoo.train("rbm:hidden=4", "bars-and-stripes:2", steps=2, folder=folder / "first")
    zoo.train("rbm:hidden=4", "bars-and-stripes:2", steps=3, seed=5, folder=folder / "run", weights=folder / "first")
    return zoo.evaluate(folder / "run", out=folder)


def test_a_comparison_of_a_run_names_the_budget_and_seed_of_the_run(evaluated):
    protocol = evaluated.typed.protocol
    assert (protocol.budget, list(protocol.seeds)) == (None, [5])
    (row,) = (each for each in evaluated.typed.rows if each.role == "contestant")
    assert row.settings["budget"] == "3 steps"
    assert in_brief(evaluated.typed).startswith("a run of 3 steps with seed 5, started from weights of sha256 ")
    page = (evaluated.path / "report.html").read_text(encoding="utf-8")
    assert "<dd>a run of 3 steps with seed 5, started from weights" in page
    assert "same budget" not in page
    assert "epochs" not in (evaluated.path / "experiment.toml").read_text(encoding="utf-8")
    listed = describe(evaluated.path)
    assert (listed.budget, listed.seeds) == ("3 steps", "5")
    assert run(["report", str(evaluated.path)]) == 0  # is read again


def test_a_comparison_with_trainings_says_that_their_budget_is_the_same(tmp_path):
    write_folder(tmp_path)
    assert run(["report", str(tmp_path)]) == 0
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "with the same budget and the same training seeds." in page
    assert "<dt>trainings</dt><dd>100 epochs, 5 seeds</dd>" in page
