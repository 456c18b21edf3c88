"""A comparison's folder from a stranger: nothing outside of it is read, and what is not as described is refused."""

import copy
import json

import pytest

from tests.report_folder import results, write_folder
from zoo.comparison.result import Comparison
from zoo.errors import CheckpointError
from zoo.report.charts import learning
from zoo.report.pictures import load_pictures


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
    with pytest.raises(CheckpointError, match="which is not inside this folder; copy it there"):
        load_pictures(folder, whole | {"pictures": {"vae": name}})


def test_a_log_outside_the_folder_is_never_opened(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(CheckpointError, match="which is not inside this folder"):
        learning(tmp_path / "folder", {"folder": "..", "cells": [{"seed": 0}]})


def test_a_link_within_the_folder_is_followed(tmp_path, whole):
    write_folder(tmp_path, copy.deepcopy(whole) | {"pictures": {"vae": "a.npz"}})
    (tmp_path / "b.npz").symlink_to("a.npz")
    assert "samples" in load_pictures(tmp_path, whole | {"pictures": {"vae": "b.npz"}})["vae"]


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
        (lambda found: found["rows"].clear(), "rows: List should have at least 1 item"),
        (
            lambda found: found["fooled"].update(mean=["made-up"]),
            "'fooled' names 'made-up', which is none of the metrics",
        ),
        (lambda found: found["sensitivity"][0].update(value="many"), "sample.steps must be a whole number above 0"),
        (lambda found: found["sensitivity"][0].pop("metrics"), "sensitivity.0: .*neither metrics nor why they failed"),
        (lambda found: found.update(schema=3), "has schema 3, and this zoo reads schema 2"),
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
