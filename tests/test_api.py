"""The Python surface: signatures, one contestant or several, the methods of a comparison, progress."""

from __future__ import annotations

import contextlib
import csv
import inspect
import io
import json
import os
import pty
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pandas
import pytest
from nbclient import NotebookClient

import zoo
from zoo.report.progress import ShownProgress, comparison_progress, training_progress
from zoo.report.table import to_csv

OLD = Path(__file__).with_name("old_files") / "table"
RBM, AE, VAE = "rbm:hidden=6", "ae@gaussian:hidden=[8],latent_dim=2", "vae:hidden=[8],latent_dim=2"


@pytest.fixture(scope="module")
def comparison():
    return zoo.Comparison.open(OLD)


@pytest.fixture
def calls(monkeypatch):
    """What `zoo.compare` and `zoo.evaluate` hand down, instead of running it."""
    calls = []
    monkeypatch.setattr("zoo.comparison.run.compare", lambda *given, **named: calls.append((given, named)))
    monkeypatch.setattr("zoo.comparison.run.evaluated", lambda registry, source, data: (f"./{source}", data))
    return calls


# Signatures


@pytest.mark.parametrize(
    "name", ["create", "train", "resume", "load", "compare", "compare_each", "tune", "evaluate", "info", "load_data"]
)
def test_help_shows_each_argument_with_its_type_and_meaning(name):
    function = getattr(zoo, name)
    signature, text = inspect.signature(function), inspect.getdoc(function)
    described = text.split("Args:")[1]
    assert signature.return_annotation != inspect.Parameter.empty
    assert "Raises:" in text
    for parameter in signature.parameters.values():
        assert parameter.annotation != inspect.Parameter.empty, parameter
        assert parameter.name in described, parameter
        assert parameter.kind != parameter.VAR_KEYWORD or parameter.name == "config"  # settings of the model


@pytest.mark.parametrize("name", ["compare", "evaluate"])
def test_each_keyword_reaches_the_comparison(name, calls):
    function = getattr(zoo, name)
    keywords = [each.name for each in inspect.signature(function).parameters.values() if each.kind == each.KEYWORD_ONLY]
    marks = {keyword: object() for keyword in keywords if keyword not in ("progress", "track")}
    function("vae", "digits", progress=False, **marks)
    ((given, named),) = calls
    assert given == (zoo.api.default, ["vae"] if name == "compare" else "./vae", "digits")
    assert named == marks


@pytest.mark.parametrize(
    ("contestants", "expected"),
    [("vae", ["vae"]), (["vae"], ["vae"]), (("ae", "vae"), ["ae", "vae"]), ((each for each in "ab"), ["a", "b"])],
    ids=["text", "list", "tuple", "generator"],
)
def test_contestants_are_one_text_or_any_iterable(contestants, expected, calls):
    zoo.compare(contestants)
    assert calls[0][0][1] == expected


def test_a_single_contestant_is_trained_and_measured(tmp_path, compare, capsys):
    found = compare(zoo, VAE, "bars-and-stripes:3", seeds=1, steps=2, out=tmp_path)
    assert list(found) == [VAE, "real"]
    assert repr(found) == (
        f"<zoo.Comparison of 1 contestant on bars-and-stripes:3, 1 seed: {tmp_path}/compare-bars-and-stripes_3-1>"
    )
    assert found.failed == []
    assert {found.best(metric) for metric in found.to_frame()["metric"]} == {None}  # one seed ranks nothing
    again = zoo.Comparison.open(found.path)
    assert again.typed == found.typed
    assert again.results == json.loads((found.path / "results.json").read_text()) == found.results
    assert capsys.readouterr() == ("", "")  # no terminal: silent


# A comparison


def test_a_comparison_is_short_in_a_repl_and_whole_in_print(comparison):
    assert repr(comparison) == f"<zoo.Comparison of 3 contestants on bars-and-stripes:3, 2 seeds: {OLD}>"
    assert all(name in str(comparison) for name in (RBM, "mean ± 95 % interval"))
    assert comparison._repr_html_().startswith("<div")


def test_a_path_that_a_terminal_would_obey_is_shown_as_text(comparison):
    assert repr(zoo.Comparison(comparison.typed, Path("a\n\x1b[2J"))).endswith(r": a\n\x1b[2J>")


def test_the_plain_results_are_those_of_the_file(comparison):
    content = json.loads((OLD / "results.json").read_text())
    assert comparison.results == content
    assert comparison.rows == content["rows"]
    assert comparison.results is comparison.results


def test_a_row_is_found_by_its_contestant(comparison):
    assert list(comparison) == [RBM, AE, VAE, "real"]
    assert AE in comparison
    row = comparison[AE]
    plain = next(each for each in comparison.rows if each["contestant"] == AE)
    assert row.figure("reconstruction").mean == plain["summary"]["reconstruction"]["mean"]
    assert [cell.seed for cell in row.cells] == [0, 1]


def test_an_unknown_contestant_is_refused_with_the_nearest(comparison):
    with pytest.raises(KeyError, match=r"No contestant 'rbm:hiden=6'.* Did you mean 'rbm:hidden=6'\? Contestants: "):
        comparison["rbm:hiden=6"]
    with pytest.raises(KeyError, match="No contestant 0 in this comparison"):
        comparison[0]


def test_the_best_is_the_row_with_that_standing(comparison):
    found = {}
    for metric in comparison.results["metrics"]:
        best = [row["contestant"] for row in comparison.rows if row["summary"][metric["name"]]["standing"] == "best"]
        assert comparison.best(metric["name"]) == (best[0] if best else None)
        found[metric["name"]] = comparison.best(metric["name"])
    assert RBM in found.values()
    assert None in found.values()


def test_an_unknown_metric_is_refused_with_those_there_are(comparison):
    with pytest.raises(zoo.ConfigError, match=r"No metric 'frechett'.* Did you mean 'frechet'\? Metrics: likelihood"):
        comparison.best("frechett")


def test_the_frame_has_the_lines_of_the_csv(comparison):
    frame, text = comparison.to_frame(), to_csv(comparison.typed)
    pandas.testing.assert_frame_equal(frame, pandas.read_csv(io.StringIO(text)), check_dtype=False, check_exact=True)
    lines = list(csv.DictReader(io.StringIO(text)))
    assert list(frame.columns) == list(lines[0])
    assert len(frame) == len(comparison.rows) * len(comparison.results["metrics"])
    for number, line in enumerate(lines):
        for name, cell in line.items():
            value = frame[name][number]
            assert pandas.isna(value) if cell == "" else str(value) == cell, (number, name)
    assert str(frame["n"].dtype) == "Int64"
    assert frame["mean"].dtype == float


def test_a_frame_without_pandas_says_how_to_install_it(comparison, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(zoo.ZooError, match="needs pandas, which is not installed; install it: pip install pandas"):
        comparison.to_frame()


# Progress

REPORT = SimpleNamespace(epoch=1, seconds=0.5, progress=0.5, losses={"loss": 2.0})
JOB = SimpleNamespace(name="vae seed 0")
EVENTS = [
    {"estimate": 60},
    {"started": True},
    {"progress": 0.5, "losses": {"loss": 2.0}},
    {"stage": "evaluating vae"},
    {"failed_attempt": "killed by SIGKILL"},
    {"ended": SimpleNamespace(failed=False, seconds=1.25)},
    {"ended": SimpleNamespace(failed=True, seconds=1.25, reason="no memory")},
]


def test_no_progress_is_shown_where_there_is_no_terminal_unless_asked_for(capsys):
    for progress in (None, False):
        with training_progress(progress) as report:
            assert report is None
        with comparison_progress(progress) as on_event:
            assert on_event is None
    with training_progress(True) as report:
        report(REPORT)
    with comparison_progress(True) as on_event:
        for event in EVENTS:
            on_event(JOB, event)
    assert capsys.readouterr() == (
        "",
        "epoch 1  loss 2  0.5 s\n"
        "Estimated time: 60 s.\n"
        "vae seed 0: tried again: killed by SIGKILL\n"
        "vae seed 0: done in 1.2 s\n"
        "vae seed 0: failed: no memory\n",
    )


def test_a_function_takes_the_place_of_the_bar_and_events_go_to_both(capsys):
    with training_progress(print) as report:
        assert report is print
    seen = []
    with comparison_progress(False, print) as on_event:
        assert on_event is print
    with comparison_progress(True, lambda job, event: seen.append((job, event))) as on_event:
        on_event(JOB, EVENTS[0])
    assert seen == [(JOB, EVENTS[0])]
    assert capsys.readouterr().err == "Estimated time: 60 s.\n"


@pytest.mark.parametrize("progress", ["yes", 1, [True]])
def test_anything_else_is_no_choice_of_progress(progress, tmp_path):
    with pytest.raises(TypeError, match=r"progress must be True, False, None or a function, got "):
        zoo.train("vae:latent_dim=1,hidden=[2]", "bars-and-stripes:2", steps=1, progress=progress)
    with pytest.raises(TypeError, match=r"progress must be True, False, None, got "):
        zoo.compare("vae", progress=progress, out=tmp_path)
    assert list(tmp_path.iterdir()) == []


TRAIN = """
import sys, zoo
steps = []
for progress in (None, False, True):
    zoo.train("vae:latent_dim=1,hidden=[2]", "bars-and-stripes:2", epochs=3, progress=progress)
    print(progress, "rich" in sys.modules, flush=True)
zoo.train("vae:latent_dim=1,hidden=[2]", "bars-and-stripes:2", epochs=3, progress=lambda report: steps.append(report))
print(len(steps))
"""


def test_training_is_silent_and_imports_no_rich_in_a_script_without_a_terminal():
    done = subprocess.run([sys.executable, "-c", TRAIN], capture_output=True, text=True)
    assert done.stdout == "None False\nFalse False\nTrue False\n3\n"
    assert [line[:13] for line in done.stderr.splitlines()] == ["epoch 1  loss", "epoch 2  loss"]


def test_training_shows_a_bar_on_a_terminal_and_erases_it(executor):
    ours, theirs = pty.openpty()
    shown = []

    def read():
        with contextlib.suppress(OSError):  # the other end is closed
            while more := os.read(ours, 4096):
                shown.append(more)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    out = executor.script(TRAIN, stderr=os.ttyname(theirs), TERM="xterm", COLUMNS="100").stdout
    os.close(theirs)
    reader.join()
    os.close(ours)
    assert out == "None True\nFalse True\nTrue True\n3\n"
    text = b"".join(shown).decode()
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 2  # two bars hide the cursor and show it again
    assert "epoch 3  loss" in text
    assert text.rstrip().endswith("\x1b[2K")  # the line is erased


def test_one_bar_is_drawn_at_a_time(monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(ShownProgress, "_live", True)
    with training_progress(None) as report:
        assert report is None
    with ShownProgress() as shown:
        assert shown._bars is None


CELLS = [
    """
from types import SimpleNamespace as N
from zoo.report.progress import comparison_progress, training_progress
with training_progress(None) as report:
    for epoch in range(1, 6):
        report(N(epoch=epoch, seconds=0.0, progress=epoch / 5, losses={"loss": 1 / epoch}))
""",
    """
with comparison_progress(None) as on_event:
    for name in ("a", "b[1]", "c"):
        on_event(N(name=name), {"started": True})
    on_event(N(name="b[1]"), {"progress": 0.5, "losses": {"loss": 2.0}})
    on_event(None, {"estimate": 600})
    on_event(N(name="a"), {"ended": N(failed=False, seconds=1.0)})
    on_event(N(name="c"), {"ended": N(failed=True, seconds=1.0, reason="no memory")})
""",
    "with training_progress(False) as report: print(report)",
]


def test_a_notebook_shows_bars_in_one_output_that_stays():
    cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    notebook = nbformat.v4.new_notebook(cells=cells)
    first, second, third = NotebookClient(notebook, timeout=120, kernel_name="python3").execute().cells
    (training,) = first.outputs
    bar = "━" * 40
    assert training.data == {"text/plain": f"training {bar} 0:00:00 epoch 5  loss 0.2"}
    (comparing,) = second.outputs
    lines = comparing.data["text/plain"].splitlines()
    assert lines[:2] == ["Estimated time: 10 min.", "c: failed: no memory"]
    assert lines[2].startswith("b[1] ━")
    assert lines[2].endswith("loss 2")
    assert lines[3:] == ["1 job done"]
    assert [output.text for output in third.outputs] == ["None\n"]
