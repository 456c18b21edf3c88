"""`zoo merge`: splitting a comparison and merging its parts is the comparison; what differs is refused or named."""

import json
import shutil
from pathlib import Path

import pytest

import zoo
from zoo.cli.main import run
from zoo.results.file import read_results, write_results
from zoo.results.merging import merge
from zoo.results.ranking import rank
from zoo.results.schema import Results
from zoo.results.summary import summarise
from zoo.results.trained import in_brief, in_full

TABLE = Path(__file__).with_name("old_files") / "table"
RBM, AE, VAE = "rbm:hidden=6", "ae@gaussian:hidden=[8],latent_dim=2", "vae:hidden=[8],latent_dim=2"


def ranked(results: Results) -> Results:
    """The same comparison, with summaries and standings of this version."""
    rows = [
        row.model_copy(update={"summary": {each.name: summarise(row.cells, each.name) for each in results.metrics}})
        for row in results.rows
    ]
    rows, differences = rank(rows, results.metrics)
    return results.model_copy(update={"rows": rows, "differences": differences})


@pytest.fixture(scope="module")
def whole():
    return ranked(read_results(TABLE))


def only(results: Results, *names: str, seeds: tuple[int, ...] = (0, 1), **protocol) -> Results:
    """The real images and some contestants with some seeds, under another protocol."""
    rows = [row for row in results.rows if row.contestant in names or row.role == "real"]
    rows = [
        row.model_copy(update={"cells": [cell for cell in row.cells if cell.seed in seeds or row.role == "real"]})
        for row in rows
    ]
    changed = results.protocol.model_copy(update={"seeds": list(seeds), **protocol})
    pictures = {row.contestant: results.pictures.get(row.contestant) for row in rows}
    return results.model_copy(update={"rows": rows, "protocol": changed, "pictures": pictures})


def by_name(results: Results) -> dict:
    return {row.contestant: row.summary for row in results.rows}


def test_merging_the_rows_of_a_comparison_gives_its_figures_standings_and_differences(whole):
    merged = merge({"mine": only(whole, RBM, VAE), "theirs": only(whole, AE)})
    assert by_name(merged) == by_name(whole)
    assert {row.summary["likelihood"].standing for row in merged.rows} != {None}
    assert [row.contestant for row in merged.rows] == [RBM, VAE, "real", AE]
    assert merged.protocol.changes == []
    pairs = {frozenset((each.first, each.second)) for each in merged.differences["likelihood"]}
    assert pairs == {frozenset((each.first, each.second)) for each in whole.differences["likelihood"]}


def test_merging_the_seeds_of_a_comparison_gives_its_rows(whole):
    merged = merge({"mine": only(whole, RBM, AE, VAE, seeds=(1,)), "theirs": only(whole, RBM, AE, VAE, seeds=(0,))})
    assert by_name(merged) == by_name(whole)
    assert [[cell.seed for cell in row.cells] for row in merged.rows] == [[0, 1]] * 3 + [[0]]
    assert merged.protocol.seeds == [0, 1]
    for row, original in zip(merged.rows, whole.rows, strict=True):
        assert row.train_seconds == pytest.approx(original.train_seconds) or row.role == "real"


def test_a_comparison_merged_with_itself_is_itself(whole):
    assert by_name(merge({"mine": whole, "copy": whole})) == by_name(whole)


def with_row(results: Results, name: str, **changes) -> Results:
    rows = [row.model_copy(update=changes) if row.contestant == name else row for row in results.rows]
    return results.model_copy(update={"rows": rows})


def test_a_row_of_other_settings_budget_or_figures_stays_apart_under_the_name_of_its_comparison(whole):
    mine, theirs = only(whole, RBM), only(whole, RBM)
    (row,) = (each for each in theirs.rows if each.contestant == RBM)
    cell = row.cells[0]
    value = cell.metrics["likelihood"]
    off = value.model_copy(update={"value": value.value + 1e-9})
    other_figure = cell.model_copy(update={"metrics": {**cell.metrics, "likelihood": off}})
    budget = theirs.protocol.budget.model_copy(update={"value": 50.0})
    for changed in (
        with_row(theirs, RBM, settings={"config": {"hidden": 7}}),
        with_row(theirs, RBM, cells=[other_figure, *row.cells[1:]]),
        theirs.model_copy(update={"protocol": theirs.protocol.model_copy(update={"budget": budget})}),
    ):
        merged = merge({"mine": mine, "theirs": changed})
        assert [each.contestant for each in merged.rows] == [RBM, "real", f"{RBM} [theirs]"]
        assert all(each.role == "real" or len(each.cells) == 2 for each in merged.rows)
    assert merged.protocol.changes == []
    assert merged.protocol.budget is None
    assert in_brief(merged) == "trainings with different budgets"
    assert in_full(merged) == f"Trainings: {RBM}: 40 steps, 2 seeds; {RBM} [theirs]: 50 steps, 2 seeds"
    again = merge({"both": merged, "mine": mine})
    assert in_full(again) == in_full(merged)


def test_what_was_measured_differently_is_refused_and_every_difference_is_named(whole):
    data = whole.protocol.data.model_copy(update={"sha256": "ab" * 32})
    other = only(whole, AE, data=data, samples=99, reference="other images")
    other = other.model_copy(update={"metrics": other.metrics[1:]})
    names = [each.name for each in whole.metrics]
    with pytest.raises(zoo.ConfigError) as error:
        merge({"mine": whole, "theirs": other})
    assert str(error.value) == (
        "Comparisons that were measured differently cannot be merged: "
        f"the data (sha256): {whole.protocol.data.sha256} in mine, {'ab' * 32} in theirs; "
        f"the reference: {whole.protocol.reference} in mine, other images in theirs; "
        "the number of samples: 10000 in mine, 99 in theirs; "
        f"the metrics: {', '.join(names)} in mine, {', '.join(names[1:])} in theirs."
    )


@pytest.mark.parametrize("field", ["direction", "ideal"])
def test_a_metric_of_another_meaning_is_refused(whole, field):
    card = whole.metrics[0].model_copy(update={field: "none" if field == "direction" else 7.0})
    other = whole.model_copy(update={"metrics": [card, *whole.metrics[1:]]})
    with pytest.raises(zoo.ConfigError, match=f"the card of {card.name}: .* in mine, .* in theirs"):
        merge({"mine": whole, "theirs": other})


@pytest.fixture
def folders(whole, tmp_path):
    """Two people's folders with the files of their rows."""
    for name, rows in (("mine", [RBM, VAE]), ("theirs", [AE])):
        shutil.copytree(TABLE, tmp_path / name)
        write_results(tmp_path / name, only(whole, *rows))
    return [str(tmp_path / name) for name in ("mine", "theirs")]


def test_two_folders_become_one_with_its_report(folders, whole, tmp_path, capsys):
    assert run(["merge", *folders, "-o", str(tmp_path / "both")]) == 0
    assert "Report: " in capsys.readouterr().out
    merged = zoo.Comparison.open(tmp_path / "both")
    assert by_name(merged.typed) == by_name(whole)
    assert (tmp_path / "both" / "theirs" / "ae" / "seed-1" / "metrics.jsonl").exists()
    assert merged.typed.pictures[AE].startswith("theirs/ae/seed-0/")
    assert (tmp_path / "both" / merged.typed.pictures[AE]).exists()
    assert "ae@gaussian" in (tmp_path / "both" / "report.html").read_text()
    assert not list((tmp_path / "both").rglob("*.safetensors"))


def test_another_hash_in_a_folder_is_refused_by_name_and_nothing_is_written(folders, tmp_path, capsys):
    file = Path(folders[1]) / "results.json"
    content = json.loads(file.read_text())
    content["protocol"]["data"]["sha256"] = "cd" * 32
    file.write_text(json.dumps(content))
    assert run(["merge", *folders, "-o", str(tmp_path / "both")]) == 2
    assert "the data (sha256): f8315d7d" in capsys.readouterr().err
    assert not (tmp_path / "both").exists()


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ((0,), "Merging needs at least two comparisons, got 1"),
        ((0, 0), "The folders must have different names"),
    ],
)
def test_two_folders_of_different_names_are_needed(folders, chosen, message, tmp_path):
    with pytest.raises(zoo.ConfigError, match=message):
        zoo.merge([folders[each] for each in chosen], tmp_path / "both")


def test_a_folder_with_files_is_not_overwritten(folders):
    with pytest.raises(zoo.ConfigError, match="must be a new folder, and it has files"):
        zoo.merge(folders, folders[0])
