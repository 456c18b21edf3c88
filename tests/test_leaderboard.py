"""`zoo leaderboard`: every row once, in the table of its protocol, with the figures of `results.json`."""

import json
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

import zoo
from tests.report_folder import results, typed
from zoo.cli.main import run
from zoo.report.leaderboard import sections
from zoo.results.file import read_results

TABLE = Path(__file__).with_name("old_files") / "table"


class Page(HTMLParser):
    """The rows of each section as lists of (text, data-value), the links, and whatever else a name could smuggle in."""

    def __init__(self, text):
        super().__init__()
        self.sections, self.links, self.tags, self.options = {}, [], [], {}
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.tags.append(tag)
        if tag == "section":
            self.rows = self.sections.setdefault(given["data-protocol"], [])
        elif tag == "tr" and "data-role" in given:
            self.rows.append([])
        elif tag in ("th", "td") and self.sections and self.rows and given.get("scope") != "col":
            self.rows[-1].append(["", given.get("data-value")])
        elif tag == "a":
            self.links.append(given["href"])
        elif tag == "select":
            self.options[given["name"]] = []
        elif tag == "option":
            list(self.options.values())[-1].append(given.get("value"))

    def handle_data(self, data):
        if self.sections and self.rows and self.rows[-1] and self.lasttag in ("th", "td", "a"):
            self.rows[-1][-1][0] += data.strip()


@pytest.fixture
def folder(tmp_path):
    """Three comparisons, two of them under one protocol, and two files that are none."""
    for name in ("a", "deep/b"):
        (tmp_path / name).mkdir(parents=True)
        shutil.copy(TABLE / "results.json", tmp_path / name)
    (tmp_path / "a" / "report.html").write_text("a report")
    found = results()
    found["rows"][0]["contestant"] = "<script>alert(1)</script>"
    found["pictures"], found["fooled"], found["sensitivity"] = {}, {}, []
    for name, content in (("c d", json.dumps(found)), ("damaged", "{"), ("older", '{"schema": 1}')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "results.json").write_text(content)
    return tmp_path


def test_every_row_is_in_the_table_of_its_protocol_with_its_figures(folder, capsys):
    assert run(["leaderboard", str(folder)]) == 0
    told = capsys.readouterr()
    assert told.out == f"Wrote 3 comparisons to {folder / 'leaderboard.html'}.\n"
    assert [line.partition(":")[0] for line in told.err.splitlines()] == ["Skipped damaged", "Skipped older"]
    page = Page((folder / "leaderboard.html").read_text())
    bars, digits = page.sections.values()
    table = read_results(TABLE)
    shown = [each.name for each in table.metrics if each.level != "full"]
    assert len(bars) == 2 * len(table.rows)
    for line, row in zip(bars, [*table.rows, *table.rows], strict=True):
        assert line[0][0] == row.contestant
        for cell, metric in zip(line[1:], shown, strict=False):
            figure = row.figure(metric)
            assert cell[1] == (None if figure is None else str(float(figure.mean)))
            assert (cell[0] == "n/a") == (figure is None)
        budget = "40 steps" if row.role == "contestant" else ""
        assert [cell[0] for cell in line[-3:]] == [str(len(row.cells)), budget, line[-1][0]]
    assert [line[-1][0] for line in bars] == ["a"] * 4 + ["deep/b"] * 4
    assert page.links == ["a/report.html"] * 4
    assert [line[0][0] for line in digits] == [
        row["contestant"] for row in json.loads((folder / "c d" / "results.json").read_text())["rows"]
    ]
    assert page.options["budget"] == ["", None, None]
    assert len(page.options["protocol"]) == 3


def test_names_are_text_and_the_page_loads_nothing(folder):
    run(["leaderboard", str(folder), "-o", str(folder / "deep" / "page.html")])
    text = (folder / "deep" / "page.html").read_text()
    page = Page(text)
    assert page.tags.count("script") == 1
    assert "&lt;script&gt;alert(1)" in text
    assert page.links == ["../a/report.html"] * 4
    assert "default-src 'none'" in text
    assert "src=" not in text


@pytest.mark.parametrize(
    "change",
    [
        {"samples": 100},
        {"reference": "other images"},
        {"binarisation_seed": 1},
        {"features": {"description": "others", "sha256": "cc" * 32}},
        {"data": results()["protocol"]["data"] | {"sha256": "cc" * 32}},
        {"data": results()["protocol"]["data"] | {"split_seed": 8}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_is_measured_in_another_way_is_in_another_table(change):
    other = results()
    other["protocol"] |= change
    assert len(sections({"a": typed(), "b": typed(other)}, {})) == 2


def test_another_budget_is_in_the_same_table():
    other = results()
    other["protocol"] |= {"budget": {"value": 50, "unit": "epochs"}, "command": "another", "versions": {}}
    (section,) = sections({"a": typed(), "b": typed(other)}, {})
    assert {line.budget for line in section.lines if line.role == "contestant"} == {"100 epochs", "50 epochs"}
    assert len(section.lines) == 2 * len(typed().rows)
    failed = next(line for line in section.lines if line.contestant == "rbm:hidden=9")
    assert failed.seeds == 3


def test_a_folder_without_results_is_refused(tmp_path):
    from zoo.exchange.leaderboard import write_leaderboard

    with pytest.raises(
        zoo.CheckpointError, match="does not contain results of comparisons, which 'zoo compare' writes"
    ):
        write_leaderboard(tmp_path, tmp_path / "page.html")
    (tmp_path / "results.json").write_text("{")
    with pytest.raises(zoo.CheckpointError, match="of comparisons: .*does not contain a comparison"):
        write_leaderboard(tmp_path, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()
