"""The page: every section that the results have something for, pictures that are the arrays, charts that plotly takes,
and nothing in it that loads anything or runs what a name says."""

import base64
import io
import json
import shutil
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import plotly.graph_objects as go
import pytest
from PIL import Image

from tests.report_folder import results, typed, write_folder
from zoo.report import charts, plotly_json
from zoo.report.classes import confusions, predicted_classes
from zoo.report.frozen import frozen_map
from zoo.report.grid import save_grid, tile
from zoo.report.html import render, verdict, write_report
from zoo.report.pictures import beside, data_uri, load_pictures

EVIL = "<script>alert('zoo')</script>"
SECTIONS = [
    *("answer", "samples", "table", "differences", "likelihood", "neighbours", "classes", "controls", "codes"),
    *("reconstructions", "paths", "cost", "steps", "sensitivity", "learning", "diagnostics", "settings", "metrics"),
    *("protocol", "copy"),
]
LOADING = {"src", "srcset", "data", "poster", "action", "background", "xlink:href"}


class Page(HTMLParser):
    """Tags with their attributes, the text of each script, and the text outside of scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.scripts, self.text, self._inside = [], [], [], None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._inside = tag if tag in ("script", "style") else None
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        self._inside = None

    def handle_data(self, data):
        if self._inside == "script":
            self.scripts[-1] += data
        elif self._inside is None:
            self.text.append(data)

    def of(self, *names):
        return [attributes for tag, attributes in self.tags if tag in names]

    @property
    def figures(self):
        return json.loads(self.scripts[0])


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    write_folder(folder)
    return folder


@pytest.fixture(scope="module")
def page(place):
    return Page(write_report(place, typed()).read_text(encoding="utf-8"))


def rendered(folder, found=None):
    found = write_folder(folder, found)
    return Page(render(folder, typed(found)))


def picture(source):
    head, _, data = source.partition(",")
    assert head == "data:image/png;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


# What is in the page


def test_every_section_is_there_in_order_and_the_contents_lead_to_each(page):
    assert [each["id"] for each in page.of("section")] == SECTIONS
    assert [each["href"] for each in page.of("a") if each["href"].startswith("#")] == [f"#{name}" for name in SECTIONS]
    assert len(page.of("h1")) == 1


def test_nothing_is_loaded_and_only_papers_are_linked(page):
    addresses = [value for _, each in page.tags for name, value in each.items() if name in LOADING]
    assert {address.partition(",")[0] for address in addresses} == {"data:image/png;base64"}
    assert not page.of("link", "iframe", "object", "embed", "base")
    links = [each["href"] for each in page.of("a") if not each["href"].startswith("#")]
    assert links == ["https://arxiv.org/abs/1706.08500"]
    (policy,) = [each["content"] for each in page.of("meta") if "http-equiv" in each]
    assert policy.startswith("default-src 'none'; img-src data:;")


def test_plotly_is_embedded_once(page):
    assert len(page.scripts) == 3
    assert [len(script) > 1_000_000 for script in page.scripts] == [False, True, False]


def test_every_chart_has_a_place_and_a_description(page):
    places = {each["id"]: each for each in page.of("div") if "plot" in each.get("class", "").split()}
    assert places.keys() == page.figures.keys()
    assert len(places) > 20
    assert all(each["aria-label"] for each in places.values())


def test_tables_have_scopes_and_pictures_have_descriptions(page):
    assert {each.get("scope") for each in page.of("th")} == {"col", "row", "rowgroup"}
    assert page.of("img")
    assert all(each["alt"] for each in page.of("img"))
    assert len(page.of("figure")) == len(page.of("figcaption")) == len(page.of("img")) + len(page.figures)


def test_the_page_says_the_command_the_protocol_and_what_failed(page):
    text = " ".join(" ".join(page.text).split())
    assert "zoo compare rbm ae@normal ae@gmm vae vae@gmm rbm:hidden=9 --full" in text
    assert "sha256 " + "a1" * 32 in text
    assert "genzoo 0.3, torch 2.13.0" in text
    assert "2 of 5 seeds failed: diverged" in text
    assert "no metric" in text
    assert "vae@gmm, vae seed 0" in text.replace(" figure ", " ")  # the diagnostics of one training stand once


def test_the_sentence_of_a_metric_follows_the_standings():
    found = typed()
    frechet, kernel = (next(each for each in found.metrics if each.name == name) for name in ("frechet", "kernel"))
    assert verdict(found, frechet) == (
        "Fréchet distance",
        "best mean: ae@gmm; tied with the best: vae@gmm; behind: vae, ae@normal; not ranked: rbm, rbm:hidden=9.",
    )
    assert verdict(found, kernel)[1].startswith("no ranking")


def test_names_summaries_and_classes_with_tags_stay_text(tmp_path):
    found = results()
    found["metrics"][0]["summary"] = found["protocol"]["command"] = found["protocol"]["data"]["name"] = EVIL
    found["rows"][3]["contestant"] = found["fooled"][EVIL] = found["sensitivity"][0]["contestant"] = EVIL
    found["fooled"][EVIL] = []
    found["rows"][3]["cells"][0]["diagnostics"] = {EVIL: [1.0, 2.0], "text": EVIL}
    found["pictures"] = {EVIL: "evil.pictures.npz", "ae@gmm": "ae/gmm.npz"}
    write_folder(tmp_path, found, labels=np.array([EVIL, "</script>"] * 100))
    log = "".join(json.dumps({"epoch": epoch, EVIL: 1.0}) + "\n" for epoch in (1, 2))
    (tmp_path / "rbm" / "seed-0" / "metrics.jsonl").write_text(log)
    page = Page(render(tmp_path, typed(found)))
    assert len(page.scripts) == 3
    assert sum(EVIL in text for text in page.text) > 5
    assert "\\u003cscript" in page.scripts[0]  # a name in a log, which no browser may take for the end of the block
    assert "<" not in page.scripts[0]
    names = " ".join(trace.get("name", "") for figure in page.figures.values() for trace in figure["data"])
    assert "&lt;script&gt;" in names  # plotly reads tags in labels, so they reach it escaped
    assert "<" not in names


def test_what_the_results_do_not_have_has_no_section(tmp_path):
    found = results()
    found |= {"fooled": {}, "sensitivity": [], "pictures": {}, "differences": {}}
    found["protocol"]["seeds"] = [0]
    for row in found["rows"]:
        row["folder"] = None
        row["train_seconds"] = row["sample_seconds_per_1000"] = None
        row["cells"] = [{"seed": 0, "metrics": {}}]
        for name, each in row["summary"].items():
            each |= {"difference": None, "standing": None}
            if name.startswith("codes") or name == "likelihood":
                row["summary"][name] = {"unsupported": "none"}
    page = Page(render(tmp_path, typed(found)))
    assert [each["id"] for each in page.of("section")] == ["table", "settings", "metrics", "protocol", "copy"]
    assert "not about retraining" in " ".join(page.text)


def test_data_that_are_no_images_have_codes_and_charts_but_no_pictures(tmp_path):
    found = results()
    found["protocol"]["data"]["shape"] = [64]
    write_folder(tmp_path, found, images=np.random.default_rng(0).random((96, 64)))
    page = Page(render(tmp_path, typed(found)))
    sections = [each["id"] for each in page.of("section")]
    assert not page.of("img")
    assert {"codes", "cost", "learning"} < set(sections)
    assert not {"samples", "neighbours", "reconstructions", "paths"} & set(sections)
    assert save_grid(tmp_path, typed(found)) is None


# Pictures


def test_the_grid_of_samples_shows_each_pixel_of_each_sample(place, page):
    samples = load_pictures(place, typed())["ae@gmm"]["samples"]
    (source,) = [each["src"] for each in page.of("img") if each["alt"] == "32 samples of ae@gmm"]
    image = picture(source)
    assert image.mode == "LA"
    assert image.size == (2 + 16 * 34, 2 + 2 * 34)  # 16 x 2 images, each enlarged from 8 to 32 pixels, gaps of 2
    grey, seen = np.asarray(image).astype(int).transpose(2, 0, 1)
    for number in (0, 15, 31):
        row, column = divmod(number, 16)
        place = slice(2 + row * 34, 34 + row * 34), slice(2 + column * 34, 34 + column * 34)
        expected = np.kron(np.rint(samples[number] * 255), np.ones((4, 4)))
        assert np.array_equal(grey[place], expected)
        assert seen[place].min() == 255
    assert seen[:2].max() == seen[34:36].max() == 0


def test_pairs_stand_side_by_side_at_one_scale():
    left, right = np.zeros((3, 2, 2, 3), np.uint8), np.full((2, 2, 2, 3), 255, np.uint8)
    left[:, :, 1], right[:, :, 1] = 7, 200
    pairs = beside(left, right)
    assert pairs.shape == (2, 28, 58, 3)
    assert [int(pairs[0, 0, column, 0]) for column in (0, 27, 28, 29, 30, 57)] == [0, 7, 128, 128, 255, 200]


def test_colours_stay_colours():
    red = np.zeros((1, 2, 2, 3), np.uint8)
    red[..., 0] = 255
    image = picture(data_uri(tile(red, 1, clear=True)))
    assert image.mode == "RGBA"
    assert image.getpixel((10, 10)) == (255, 0, 0, 255)


def test_real_valued_images_share_one_scale(tmp_path):
    found = results()
    found["protocol"]["data"] |= {"support": "real", "shape": [2, 2]}
    found["pictures"] = {"vae": "a.npz", "real": "b.npz"}
    np.savez(tmp_path / "a.npz", samples=np.full((1, 2, 2), -3.0), codes=np.full((1, 2), 7.0))
    np.savez(tmp_path / "b.npz", samples=np.array([[[0.0, 1.0], [5.0, 2.0]]]))
    pictures = load_pictures(tmp_path, typed(found))
    assert pictures["vae"]["samples"].tolist() == [[[0.0, 0.0], [0.0, 0.0]]]
    assert pictures["real"]["samples"].tolist() == [[[0.375, 0.5], [1.0, 0.625]]]
    assert pictures["vae"]["codes"].tolist() == [[7.0, 7.0]]


def test_samples_png_has_a_row_of_sixteen_for_each_with_real_images_first(place):
    path = save_grid(place, typed())
    image = np.asarray(Image.open(path).convert("L")).astype(int)
    strip = 4 + 60  # an image of 56 pixels with gaps of 4
    assert image.shape[0] == 10 * strip
    margin = image.shape[1] - (4 + 16 * 60)
    real = load_pictures(place, typed())["real"]["samples"]
    for number in (0, 15):
        seen = image[4 : 4 + 56, margin + 4 + number * 60 : margin + 60 + number * 60]
        assert np.array_equal(seen, np.kron(np.rint(real[number] * 255), np.ones((7, 7))))


def test_contestants_of_one_training_share_the_pictures_that_it_decodes(tmp_path):
    found = results()
    found["pictures"] = {"ae@gmm": "a.npz", "ae@normal": "b.npz", "vae": "c.npz"}
    page = rendered(tmp_path, found)
    assert page.text.count("ae@gmm, vae, ae@normal") == 3  # reconstructions, interpolation and traversal are equal here
    assert len([each for each in page.of("img") if "pairs of" in each["alt"] and "originals" in each["alt"]]) == 1
    assert len([each for each in page.of("img") if "samples of" in each["alt"]]) == 3


def test_classes_are_shown_in_percent_as_dark_as_they_are_frequent(place):
    pictures = load_pictures(place, typed())
    shares = predicted_classes(typed(), pictures)
    line = next(line for line in shares.lines if line.contestant == "real")
    assert [cell.text for cell in line.cells] == ["0", "2", "4", "7", "9", "11", "13", "16", "18", "20"]
    assert [cell.shade for cell in line.cells][::3] == [0, 0.33, 0.67, 1]
    (table,) = confusions(typed(), pictures)
    assert (table.title, table.head) == ("vae@gmm", "asked for")
    assert [cell.text for cell in table.lines[3].cells] == ["1", "1", "1", "91", *["1"] * 6]


def test_csv_latex_and_bibtex_can_be_copied(page):
    text = "".join(page.text)
    assert "contestant,role,metric,mean,half_width" in text
    assert "\\toprule" in text
    assert "eprint = {1706.08500}" in text
    assert [each["data-copies"] for each in page.of("button")] == [
        each["id"] for each in page.of("code") if each.get("id", "").startswith("copy-")
    ]


# Charts


def test_real_images_are_in_ink_and_every_axis_with_numbers_has_a_title(page):
    colours = {trace["name"]: trace["marker"]["color"] for trace in page.figures["chart-1"]["data"]}
    assert colours["real"] == plotly_json.INK
    assert plotly_json.INK not in {colour for name, colour in colours.items() if name != "real"}
    assert f"replaceAll({json.dumps(plotly_json.INK)}, ink)" in page.scripts[2]
    for figure in page.figures.values():
        for axis in ("xaxis", "yaxis"):
            layout = figure["layout"][axis]
            if layout.get("type") != "category":
                assert layout["title"]["text"]
                assert ("(log scale)" in layout["title"]["text"]) == (layout.get("type") == "log")


def test_plotly_accepts_every_chart(page):
    for figure in page.figures.values():
        go.Figure(figure)


def test_a_chart_of_intervals_shows_means_half_widths_and_real_images_in_the_table_s_order():
    found = typed()
    metric = next(each for each in found.metrics if each.name == "frechet")
    figure = charts.intervals(found, metric)
    shown = [(each["y"][0], each["x"][0], each["error_x"]["array"][0]) for each in figure["data"]]
    assert shown[:2] == [("ae@gmm", 9.13, 0.42), ("vae@gmm", 9.31, 0.51)]
    assert shown[-1] == ("real", 2.11, 0)
    assert figure["layout"]["shapes"][0]["x0"] == 2.11
    assert figure["layout"]["xaxis"]["type"] == "log"


def test_a_chart_of_differences_has_the_best_at_zero():
    found = typed()
    metric = next(each for each in found.metrics if each.name == "frechet")
    shown = {each["y"][0]: each["x"][0] for each in charts.differences(found, metric)["data"]}
    assert shown == pytest.approx({"ae@gmm": 0.0, "vae@gmm": 0.18, "vae": 2.67, "ae@normal": 62.17})


def test_likelihoods_are_drawn_as_what_they_are():
    drawn = {trace["name"]: trace for trace in charts.brackets(typed())["data"]}
    assert drawn["rbm"]["x"] == [-96.6, -84.9]
    assert drawn["vae"]["marker"]["symbol"] == "triangle-right"
    assert drawn["vae"]["x"] == [-91.2]
    assert drawn["rbm:hidden=9"]["marker"]["symbol"] == "circle"


def test_the_curve_over_a_samplers_steps_is_sorted_and_leaves_other_settings_out():
    rbm, real = charts.steps(typed())["data"]
    assert (rbm["x"], rbm["y"]) == ([1, 10, 100, 1000, 10000], [180.0, 95.0, 51.0, 14.2, 9.4])
    assert real["y"] == [2.11, 2.11]


@pytest.mark.parametrize("value", [0, -1, 0.25, True, "adaptive", None, float("inf")])
def test_the_steps_of_any_sampler_are_drawn_if_they_are_numbers_above_0(value):
    """A solver's `steps` may be anything, which is not a reason to refuse the results."""
    found = results()
    found["sensitivity"] = [{**found["sensitivity"][0], "contestant": "vae", "value": each} for each in (8, value)]
    vae = charts.steps(typed(found))["data"][0]
    assert vae["x"] == ([0.25, 8] if value == 0.25 else [8])


def test_a_page_calls_no_samplers_steps_gibbs_steps(tmp_path):
    found = results()
    found["sensitivity"] = [{**found["sensitivity"][0], "contestant": "vae", "value": each} for each in (8, "adaptive")]
    write_folder(tmp_path, found)
    section = render(tmp_path, typed(found)).partition('<section id="steps">')[2].partition("</section>")[0]
    assert "<h2>Sampling steps</h2>" in section
    assert "Gibbs" not in section


def test_learning_curves_have_a_line_per_seed_and_one_legend_entry(place):
    row = next(row for row in typed().rows if row.contestant == "vae")
    losses = [trace for trace in charts.learning(place, row)["data"] if trace["name"] == "loss"]
    assert [trace["showlegend"] for trace in losses] == [True, False, False, False, False]
    assert losses[3]["y"][:2] == [203.0, 103.0]
    assert losses[3]["x"][-1] == 20


def test_codes_are_coloured_by_class_and_drawn_codes_lie_over_them(place):
    arrays = load_pictures(place, typed())["vae"]
    traces = charts.codes(arrays)["data"]
    assert [trace["name"] for trace in traces] == [*map(str, range(10)), "drawn"]
    assert traces[3]["x"] == [round(float(x), 3) for x in arrays["codes"][arrays["code_labels"] == 3][:, 0]]
    assert charts.codes({"codes": arrays["codes"]})["data"][0]["name"] == "codes of data"
    assert charts.codes({}) is None


def test_what_json_has_no_word_for_is_left_out_of_a_chart(tmp_path):
    found = results()
    found["rows"][0]["summary"]["kernel"] |= {"mean": float("nan"), "half_width": float("inf")}
    found["rows"][0]["summary"]["frechet"] |= {"mean": float("inf"), "half_width": float("nan")}
    found["rows"][1]["summary"]["frechet"] |= {"half_width": float("inf")}
    found["rows"][0]["summary"]["likelihood"] |= {"bracket": [-96.6, float("inf")]}
    found["sensitivity"][0]["metrics"]["frechet"]["value"] = float("nan")
    page = rendered(tmp_path, found)
    assert "NaN" not in page.scripts[0]
    assert "Infinity" not in page.scripts[0]


def test_a_log_axis_is_marked_within_its_values():
    axis = plotly_json.log_axis(2.11, 71.3)
    assert [text for value, text in zip(axis["tickvals"], axis["ticktext"], strict=True) if 2 <= value <= 72] == [
        *("2", "5", "10", "20", "50")
    ]


def test_a_report_is_written_without_torch(place):
    code = (
        "import sys, pathlib; from zoo.report.html import write_report; import zoo.report.table\n"
        "from zoo.results.file import read_results\n"
        f"folder = pathlib.Path({str(place)!r})\n"
        "write_report(folder, read_results(folder))\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_log_axis_ends_where_floating_point_numbers_do():
    assert plotly_json.log_axis(1.0, 1.7e308)["tickvals"][-1] == 1e307
    assert (
        plotly_json.log_axis(1.0, float("inf"))
        == plotly_json.log_axis(-1.0, 5.0)
        == plotly_json.log_axis(0.0, 5.0)
        == {}
    )


@pytest.mark.parametrize("seconds", [float("inf"), float("nan"), -1.0, 0.0])
def test_a_cost_that_is_no_positive_number_is_left_out(seconds):
    found = results()
    found["rows"][0]["train_seconds"] = seconds
    names = [trace["name"] for trace in charts.cost(typed(found), "train_seconds", "s")["data"]]
    assert names == ["ae@gmm", "vae@gmm", "vae", "ae@normal", "rbm:hidden=9", "real images"]


# Maps that decode without a server


def test_a_frozen_map_holds_the_decoded_grid_and_its_coordinates(tmp_path):
    found = write_folder(tmp_path)
    grid = np.random.default_rng(1).random((5, 5, 8, 8))
    file = tmp_path / found["pictures"]["ae@gmm"]
    arrays = dict(np.load(file)) | {"map": grid, "map_axes": np.array([np.linspace(-2, 3, 5), np.linspace(-1, 1, 5)])}
    np.savez(file, **arrays)
    page = Page(render(tmp_path, typed(found)))
    (decoder,) = [each for each in page.of("div") if each.get("class") == "decoder"]
    assert (decoder["data-across"], decoder["data-up"]) == ("-2.0 3.0", "-1.0 1.0")
    assert page.figures.keys() >= {decoder["data-chart"]}
    frozen = frozen_map("chart-1", "ae@gmm", arrays)
    sheet = np.asarray(picture(frozen.source)).reshape(5, 8, 5, 8).swapaxes(1, 2)
    assert np.array_equal(sheet, np.rint(grid * 255).astype(np.uint8))
    assert (frozen.side, frozen.ratio) == (5, 1.0)
    assert frozen_map("chart-1", "old", {"map": grid}) is None


@pytest.mark.slow
def test_a_frozen_map_follows_the_pointer_and_the_keys(tmp_path):
    sync = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.skip("no Chromium is installed")
    found = write_folder(tmp_path)
    file = tmp_path / found["pictures"]["ae@gmm"]
    axes = np.array([np.linspace(-2, 3, 5), np.linspace(-1, 1, 5)])
    np.savez(file, **dict(np.load(file)) | {"map": np.zeros((5, 5, 8, 8)), "map_axes": axes})
    path, asked = write_report(tmp_path, typed(found)), []
    with sync.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1400, "height": 1000})
        tab.on("request", lambda request: asked.append(request.url))
        tab.set_default_timeout(150_000)  # the page draws all its charts first
        tab.goto(path.as_uri())
        decoder = tab.locator(".decoder")
        chart = tab.locator(f"#{decoder.get_attribute('data-chart')} .nsewdrag")
        chart.hover(position={"x": 2, "y": 2})  # the corner at the top left lies beyond the grid
        assert decoder.locator("output").text_content() == "h at (-2.00, 1.00)"
        position = "each => each.style.backgroundPosition"
        assert decoder.locator(".decoded").evaluate(position) == "0% 0%"
        decoder.locator("input").first.focus()
        tab.keyboard.press("ArrowRight")
        assert decoder.locator("output").text_content() == "h at (-0.75, 1.00)"
        assert decoder.locator(".decoded").evaluate(position) == "25% 0%"
        tab.set_viewport_size({"width": 688, "height": 1000})  # A4 between the margins
        tab.emulate_media(media="print")
        tab.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert not decoder.is_visible()
        right = "all => Math.max(...all.map(each => each.getBoundingClientRect().right))"
        assert tab.eval_on_selector_all(".charts svg, td", right) <= 688
        browser.close()
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
