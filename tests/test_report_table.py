"""The tables: what stands in a cell, in which order, how wide, and that nothing is lost in CSV, Markdown and HTML."""

import csv
import io
import math
from html.parser import HTMLParser

import pytest

from tests.report_folder import FAILED, LEVELS, results, summary, typed
from zoo.report.figures import bracket, figure, interval, kind_mark
from zoo.report.table import as_text, comparison_table, to_csv, to_html, to_markdown
from zoo.report.table_view import differences, ordered, pairs, ranking_metric, sheets


@pytest.fixture
def found():
    return results()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.00"),
        (0.0123, "0.0123"),
        (0.97114, "0.971"),
        (9.128, "9.13"),
        (-96.64, "−96.6"),
        (1234.5, "1,234"),
        (0.000123, "1.23e−04"),
        (-0.0, "0.00"),
        (2.5e7, "2.50e+07"),
        (math.inf, "inf"),
        (math.nan, "nan"),
    ],
)
def test_a_figure_has_three_significant_digits(value, text):
    assert figure(value) == text


@pytest.mark.parametrize(
    ("mean", "half_width", "text"),
    [
        (9.128, 0.4216, "9.13 ± 0.42"),
        (-91.2345, 0.0021, "−91.23 ± 0.00"),
        (71.3, 12.0, "71 ± 12"),
        (-0.00012, 0.0031, "−0.0001 ± 0.0031"),
        (-0.00001, 0.0086, "0.0000 ± 0.0086"),
        (0.00002, 0.00001, "2.00e−05 ± 1.0e−05"),
        (140.0, 0.0, "140 ± 0"),
        (9.128, None, "9.13"),
        (math.inf, 1.0, "inf ± 1.00"),
    ],
)
def test_an_interval_ends_at_the_second_digit_of_its_half_width(mean, half_width, text):
    assert interval(mean, half_width) == text


def test_a_bracket_and_kinds_say_what_a_likelihood_is():
    assert bracket([-96.6, -84.9]) == "[−96.60, −84.90]"
    assert bracket([-96.6, math.inf]) == "[−96.60, inf]"
    assert bracket([-0.0, 0.5]) == "[0.000, 0.5000]"
    assert [kind_mark(kind) for kind in ("exact", "lower", "upper", "estimate", "", "lower/upper")] == [
        *("=", "≥", "≤", "≈", "", "≥≤")
    ]


def test_rows_are_ordered_by_frechet_within_their_role_and_failed_ones_are_last(found):
    assert [row.contestant for row in ordered(typed(found))] == [
        *("ae@gmm", "vae@gmm", "vae", "rbm", "ae@normal", "rbm:hidden=9"),
        *("memoriser", "mean", "noise"),
        "real",
    ]


def test_without_a_frechet_distance_the_first_headline_metric_orders_the_higher_first(found):
    for row in found["rows"]:
        row["summary"]["frechet"] = {"unsupported": "every pattern is known"}
    assert ranking_metric(typed(found)).name == "likelihood"
    names = [row.contestant for row in ordered(typed(found), "contestant")]
    assert names[:3] == ["vae@gmm", "vae", "rbm"]


def test_each_level_has_its_table_and_costs_stand_with_the_details(found):
    headline, detail, full = sheets(typed(found))
    assert [column.heading for column in headline.columns][:2] == ["log-likelihood\xa0↑", "Fréchet distance\xa0↓"]
    assert [column.title for column in detail.columns][-3:] == ["parameters", "training s", "s per 1,000 samples"]
    assert len(headline.columns) + len(detail.columns) + len(full.columns) == len(LEVELS) + 3
    first = headline.lines[0]
    assert (first.cells[1].text, first.cells[1].mark) == ("9.13 ± 0.42", "*")


def test_a_metric_that_nobody_has_has_no_column(found):
    for row in found["rows"]:
        row["summary"]["kernel"] = {"unsupported": "never"}
    assert "kernel distance" not in as_text(comparison_table(typed(found)))


def test_text_stays_within_its_width_and_continues_wide_tables(found):
    for width in (120, 80):
        text = as_text(comparison_table(typed(found)), width=width)
        assert max(map(len, text.splitlines())) <= width
        assert "…" not in text
        assert text.count("9.13 ± 0.42 *") == 1
    assert "How well each model generates, continued" in text


def test_text_marks_only_what_the_results_say(found):
    lines = as_text(comparison_table(typed(found))).splitlines()
    best, tied, behind = (next(line for line in lines if f" {name} " in line) for name in ("ae@gmm", "vae@gmm", "rbm"))
    assert best.count("*") == 1
    assert "9.31 ± 0.51 ~" in tied
    assert "≥ −90.10 ± 0.40 ?" in tied
    assert not set("*~?") & set(behind)
    for row in found["rows"]:
        for each in row["summary"].values():
            each["standing"] = None
    text = as_text(comparison_table(typed(found)))
    assert not set("*~?") & set(text)


def test_a_figure_without_a_standing_is_said_to_be_unranked_and_why(found):
    found["metrics"] = [each for each in found["metrics"] if each["name"] in ("likelihood", "frechet", "coverage")]
    found["fooled"] = {}
    found["rows"] = [row for row in found["rows"] if row["role"] != "contestant" or "ae" not in row["contestant"][:2]]
    rbm, vae, mixture, failed = (row["summary"] for row in found["rows"] if row["role"] == "contestant")
    for each, standing in zip((rbm, vae, mixture), ("behind", "best", "indistinguishable"), strict=True):
        each["frechet"]["standing"] = standing
        each["coverage"]["half_width"] = None
    rbm["likelihood"]["kind"], failed["coverage"] = "estimate", {"unsupported": "it does not generate"}
    (headline, *_) = sheets(typed(found))
    assert headline.notes[-1] == (
        "Not ranked, and therefore without a mark: "
        "log-likelihood of rbm (an estimate promises nothing); "
        "log-likelihood, Fréchet distance of rbm:hidden=9 (a seed failed); coverage (an error is not known)"
    )
    (ranked, *_) = [row for row in found["rows"] if row["contestant"] == "vae"]
    found["rows"] = [ranked]
    assert not any("without a mark" in note for note in sheets(typed(found))[0].notes)


def test_text_names_reasons_brackets_failures_and_the_protocol(found):
    text = " ".join(as_text(comparison_table(typed(found))).split())
    assert "[−96.60, −84.90]" in text
    assert f"rbm:hidden=9: 2 of 5 seeds failed: {FAILED}" in text
    assert "n/a, ae@gmm, ae@normal: an autoencoder has no likelihood; fix a decoder noise to give it one" in text
    assert "log-likelihood. vae@gmm, vae: IWAE, k = 500 | rbm: reverse AIS" in text
    assert "359 samples each, compared with 359 test images; real: the other 359." in text


def test_a_row_whose_seeds_all_failed_says_so(found):
    row = found["rows"][0]
    row["cells"] = [{"seed": seed, "failed": FAILED, "exit_code": 6} for seed in range(5)]
    row["summary"] = {name: {"unsupported": FAILED, "standing": None, "difference": None} for name in LEVELS}
    line = next(line for line in sheets(typed(found))[0].lines if line.contestant == "rbm")
    assert line.below == "5 of 5 seeds failed"
    assert {cell.text for cell in line.cells} == {"failed"}


def test_differences_are_to_the_best_and_between_every_pair(found):
    first, *further = differences(typed(found))
    assert [len(each.columns) for each in (first, *further)] == [1]
    assert {line.contestant: line.cells[0].text for line in first.lines} == {
        "ae@gmm": "best",
        "vae@gmm": "0.18 ± 0.40",
        "vae": "2.67 ± 0.70",
        "rbm": "n/a",
        "ae@normal": "62.2 ± 6.0",
        "rbm:hidden=9": "n/a",
    }
    (line,) = pairs(typed(found)).lines
    assert (line.contestant, line.cells[0].text) == ("vae − vae@gmm", "2.49 ± 0.61")
    found["differences"] = {}
    for row in found["rows"]:
        row["summary"]["frechet"]["difference"] = None
    assert differences(typed(found)) == []
    assert pairs(typed(found)) is None


def test_csv_has_a_line_per_contestant_and_metric_with_full_precision(found):
    rows = list(csv.DictReader(io.StringIO(to_csv(typed(found)))))
    assert len(rows) == len(found["rows"]) * len(LEVELS)
    by_key = {(row["contestant"], row["metric"]): row for row in rows}
    assert by_key["rbm", "likelihood"] == {
        **dict.fromkeys(rows[0], ""),
        **{"contestant": "rbm", "role": "contestant", "metric": "likelihood", "mean": "-96.6", "half_width": "0.31"},
        **{"n": "5", "kind": "lower", "lower": "-96.6", "upper": "-84.9", "note": "reverse AIS"},
    }
    vae = by_key["vae", "frechet"]
    assert float(vae["difference"]) == 11.8 - 9.13
    assert (vae["standing"], vae["difference_half_width"], vae["stderr"]) == ("behind", "0.7", "0.31")
    assert by_key["ae@gmm", "likelihood"]["unsupported"].startswith("an autoencoder has no likelihood")


def test_markdown_tables_are_rectangular_and_escape_what_markdown_reads(found):
    found["rows"][0]["contestant"] = "a|b<script>"
    text = to_markdown(typed(found))
    assert "a\\|b\\<script\\>" in text
    assert "**9.13 ± 0.42** \\*" in text
    blocks = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert len(blocks) == 3
    for block in blocks:
        assert len({line.replace("\\|", "").count("|") for line in block}) == 1
        assert len(block) == 2 + len(found["rows"])


def test_the_notebook_s_table_is_html_in_which_names_stay_text(found):
    found["rows"][0]["contestant"] = "<script>alert(1)</script>"
    found["rows"][1]["summary"]["frechet"] = summary(71.3, 6.1)
    tags = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: tags.append(tag)
    parser.feed(to_html(typed(found)))
    assert "script" not in tags
    assert tags.count("tr") == 1 + len(found["rows"])
    assert tags.count("th") == 1 + len(found["rows"]) + len(sheets(typed(found))[0].columns)


def test_one_seed_gives_no_intervals_but_the_error_of_measuring(found):
    for row in found["rows"]:
        row["cells"] = row["cells"][:1]
        for each in row["summary"].values():
            each.update({"half_width": None, "standing": None, "difference": None} if "mean" in each else {})
    text = as_text(comparison_table(typed(found)))
    assert "1 seed," in text
    assert "s.e. 0.310" in text
    assert "t-interval" not in text
