"""A comparison's folder from a stranger: nothing outside of it is read, and what is not as described is refused."""

import copy
import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.report_folder import results, typed, write_folder
from zoo.comparison.result import Comparison
from zoo.errors import CheckpointError
from zoo.report.charts import learning
from zoo.report.pictures import load_pictures
from zoo.results.file import read_results, write_results
from zoo.results.schema import Cell


@pytest.fixture(scope="module")
def whole():
    return results()


def opened(folder, found):
    (folder / "results.json").write_text(json.dumps(found))
    return Comparison.open(folder)


@pytest.mark.parametrize(
    "name", ["../secret.npz", "/etc/passwd", "a/../../secret.npz", "link/secret.npz", "\0", "x" * 300]
)
def test_a_picture_outside_the_folder_is_never_opened(tmp_path, whole, name):
    folder = tmp_path / "folder"
    folder.mkdir()
    write_folder(tmp_path, copy.deepcopy(whole) | {"pictures": {"vae": "secret.npz"}})
    (folder / "link").symlink_to(tmp_path)
    with pytest.raises(CheckpointError, match="which is outside this folder; copy it there"):
        load_pictures(folder, typed(whole | {"pictures": {"vae": name}}))


def test_a_log_outside_the_folder_is_never_opened(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(CheckpointError, match="which is outside this folder"):
        learning(tmp_path / "folder", typed().rows[0].model_copy(update={"folder": ".."}))


def test_a_link_within_the_folder_is_followed(tmp_path, whole):
    write_folder(tmp_path, copy.deepcopy(whole) | {"pictures": {"vae": "a.npz"}})
    (tmp_path / "b.npz").symlink_to("a.npz")
    assert "samples" in load_pictures(tmp_path, typed(whole | {"pictures": {"vae": "b.npz"}}))["vae"]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda found: found["protocol"].pop("samples"), "protocol.samples: Field required"),
        (lambda found: found["rows"][0].pop("cells"), "rows.0.cells: Field required"),
        (lambda found: found["rows"][0]["summary"].pop("frechet"), "the row 'rbm' has no summary of 'frechet'"),
        (
            lambda found: found["rows"][0]["summary"]["frechet"].update(mean="9"),
            r"frechet\.figure\.mean: .*valid number",
        ),
        (lambda found: found["rows"].clear(), "rows: Value should have at least 1 item"),
        (
            lambda found: found["fooled"].update(mean=["made-up"]),
            "'fooled' names 'made-up', which is not one of the metrics",
        ),
        (lambda found: found["sensitivity"][0].pop("metrics"), "sensitivity.0: .*either metrics or failed is required"),
        (lambda found: found.update(schema=3), "has schema 3, and this version of genzoo reads schema 2"),
    ],
)
def test_results_that_are_not_as_the_schema_says_name_the_place(tmp_path, whole, change, match):
    found = copy.deepcopy(whole)
    change(found)
    with pytest.raises(CheckpointError, match=match):
        opened(tmp_path, found)


def test_what_the_zoo_writes_is_as_the_schema_says_and_stays_as_it_is(tmp_path, whole):
    found = copy.deepcopy(whole) | {"more": {"keys": [1, None, "may stand here"]}}
    assert opened(tmp_path, found).results == json.loads(json.dumps(found))


def test_an_old_file_is_written_again_byte_for_byte(tmp_path):
    old = Path(__file__).with_name("old_files") / "table"
    write_results(tmp_path, read_results(old))
    assert (tmp_path / "results.json").read_bytes() == (old / "results.json").read_bytes()


def test_whole_numbers_unknown_keys_and_absent_keys_stay_as_they_are(tmp_path, whole):
    found = copy.deepcopy(whole)
    found["rows"][0] |= {"parameters": 7, "train_seconds": float("inf"), "colour": "red"}
    found["rows"][0]["cells"][0] = {"seed": 0, "lost": ["it was killed"], "metrics": {"frechet": {"value": 3}}}
    found["rows"][0]["cells"][1] = {"seed": 1, "failed": ""}
    (tmp_path / "results.json").write_text(json.dumps(found))
    results = read_results(tmp_path)
    first, second, *_ = results.rows[0].cells
    assert (first.failed_attempts, first.metrics["frechet"].value, first.has_failed) == (["it was killed"], 3, False)
    assert second.has_failed
    write_results(tmp_path, results)
    again = json.loads((tmp_path / "results.json").read_text())
    assert json.dumps(again, sort_keys=True) == json.dumps(found, sort_keys=True)
    assert type(again["rows"][0]["parameters"]) is int


def test_only_what_was_given_is_written():
    cell = Cell(seed=3, failed_attempts=["it hung"], exit_code=None)
    assert cell.model_dump(by_alias=True, exclude_unset=True) == {"seed": 3, "exit_code": None, "lost": ["it hung"]}
    with pytest.raises(ValidationError, match="frozen"):
        cell.seed = 4


def test_what_a_terminal_would_obey_is_shown_as_its_escape(tmp_path, whole):
    found = copy.deepcopy(whole)
    found["metrics"][0]["title"] = "\x1b]0;owned\x07 \ud800\u202e é\n"
    assert opened(tmp_path, found).results["metrics"][0]["title"] == "\\x1b]0;owned\\x07 \\ud800\\u202e é\n"


def test_a_number_that_64_bits_do_not_hold_is_refused(tmp_path, whole):
    with pytest.raises(CheckpointError, match="the number 1000.* is too large"):
        opened(tmp_path, copy.deepcopy(whole) | {"more": 10**400})
    assert opened(tmp_path, copy.deepcopy(whole) | {"more": -(2**63)}).results["more"] == -(2**63)


def test_a_file_too_large_is_not_read(tmp_path):
    with (tmp_path / "results.json").open("wb") as file:
        file.truncate(2**28 + 1)
    with pytest.raises(CheckpointError, match="has 268,435,457 bytes; results of more than 268,435,456 are not read"):
        Comparison.open(tmp_path)
