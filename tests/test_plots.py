"""Plots without a browser: `zoo.show`, `zoo.plot`, `zoo plot`, and the drawing of charts as SVG and PNG."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import torch
from PIL import Image

import zoo
from tests.report_folder import write_folder
from zoo.cli.main import run
from zoo.report.drawing import Panel, _Axis, _dashed, to_image, to_svg
from zoo.report.plotly_json import empty_figure
from zoo.report.plots import curves
from zoo.report.show import Picture


@pytest.fixture(scope="module")
def model():
    """A small model with codes of two dimensions."""
    return zoo.create("vae:latent_dim=2,hidden=[8]", "digits")


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    """The run folder of that model, as if it had been trained."""
    path = tmp_path_factory.mktemp("runs") / "vae-digits-1"
    model.save(path)
    record = {"plugin": "zoo-vae/vae", "data": {"name": "digits"}, "source": "digits", "budget": "2 epochs", "seed": 0}
    (path / "run.json").write_text(json.dumps(record | {"status": "trained", "config": {"latent_dim": 2}}))
    lines = [{"epoch": epoch, "step": 18 * epoch, "loss": 9.0 / epoch, "valid_loss": 10.0} for epoch in (1, 2, 3)]
    (path / "metrics.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path


def test_images_are_shown_in_rows_enlarged_with_white_between():
    images = np.zeros((3, 2, 2))
    images[1] = 1.0
    images[2, 0, 1] = 0.5
    pixels = np.asarray(zoo.show(torch.from_numpy(images), rows=2).image)
    assert pixels.shape == (2 * 56 + 12, 2 * 56 + 12, 3)  # an image is enlarged 28 times
    inside = {"first": pixels[4:60, 4:60], "second": pixels[4:60, 64:120], "third": pixels[64:120, 4:60]}
    assert (inside["first"] == 0).all()
    assert (inside["second"] == 255).all()
    assert (inside["third"][:28, 28:] == 128).all()
    assert inside["third"].sum() == 128 * 28 * 28 * 3
    assert (pixels[64:120, 64:120] == 255).all()
    assert (pixels[:, 60:64] == 255).all()


def test_a_mapping_has_a_row_for_each_label_and_a_number_is_about_square():
    image = np.ones((5, 1, 4, 4))
    assert zoo.show(image).image.size == zoo.show(image, rows=3).image.size
    assert zoo.show({"a": image, "b": image[:2]}).image.size[1] == 2 * (56 + 8)


@pytest.mark.parametrize(
    ("images", "rows", "match"),
    [
        (np.ones((2, 3)), None, "Only examples of shape"),
        (np.ones((0, 3, 3)), None, "at least one image"),
        (np.ones((2, 3, 3)), 0, "at least one image and one row, got 2 images and 0 rows"),
        ({"a": np.ones((2, 3, 3))}, 2, "A mapping has one row for each label"),
        ({}, None, "at least one image in every row"),
    ],
)
def test_what_cannot_be_shown_is_refused(images, rows, match):
    with pytest.raises(zoo.ConfigError, match=match):
        zoo.show(images, rows=rows)


def test_a_picture_is_written_in_the_format_of_its_name(tmp_path):
    picture = zoo.show(np.ones((1, 3, 3)), title="<ones>")
    with Image.open(picture.save(tmp_path / "x.PNG")) as png:
        assert png.size == picture.image.size
    root = ET.fromstring(picture.save(tmp_path / "x.svg").read_text())
    assert root.get("width") == str(picture.image.size[0])
    assert root[0].text == "<ones>"
    with pytest.raises(zoo.ConfigError, match=r"must end in \.png or \.svg, got 'x\.gif'"):
        picture.save(tmp_path / "x.gif")
    assert picture._repr_png_() == (tmp_path / "x.PNG").read_bytes()


def chart(**layout):
    figure = empty_figure(200, legend=True)
    line = {"mode": "lines", "line": {"color": "#ff0000", "dash": "dash", "width": 2}}
    dots = {"mode": "markers", "marker": {"color": "#0000ff", "size": 20}}
    figure["data"] = [
        {"type": "scatter", "x": [1.0, 2.0, None, 3.0, 4.0], "y": [10.0, 20.0, None, 30.0, 50.0], "name": "a<b"} | line,
        {"type": "scatter", "x": [2.5], "y": [30.0], "name": "one", "showlegend": False} | dots,
        {"type": "scatter", "x": [1.0], "y": [900.0], "name": "hidden", "visible": "legendonly"} | dots,
    ]
    figure["layout"]["xaxis"] |= {"title": {"text": "epoch"}}
    figure["layout"]["yaxis"] |= layout
    return figure


def test_points_are_drawn_where_the_axes_say():
    root = ET.fromstring(to_svg([Panel("", chart())]))
    name = "{http://www.w3.org/2000/svg}"
    red = [each for each in root.iter(f"{name}polyline") if each.get("stroke") == "#ff0000"]
    first, second = ([tuple(map(float, point.split(","))) for point in each.get("points").split()] for each in red[:2])
    (dot,) = root.iter(f"{name}circle")
    x, y = float(dot.get("cx")), float(dot.get("cy"))
    (x1, y1), (x2, y2), (x3, y3), (x4, y4) = *first, *second
    assert (x2 - x1, x4 - x3) == pytest.approx(((x4 - x1) / 3,) * 2, abs=0.2)
    assert x == pytest.approx((x2 + x3) / 2, abs=0.2)
    assert (y1 - y2, y1 - y3, y1 - y) == pytest.approx(((y1 - y4) / 4, (y1 - y4) / 2, (y1 - y4) / 2), abs=0.2)
    assert y1 > y4
    texts = [each.text for each in root.iter(f"{name}text")]
    assert texts.count("a<b") == 1
    assert {"epoch", "10", "50", "1", "4"} <= set(texts)
    assert not {"one", "hidden", "900"} & set(texts)


def test_the_image_shows_the_same_points():
    panel = Panel("", chart())
    (cx, cy) = map(float, re.search(r'circle cx="([\d.]+)" cy="([\d.]+)"', to_svg([panel])).groups())
    image = to_image([panel])
    assert image.getpixel((round(2 * cx), round(2 * cy))) == (0, 0, 255)
    assert image.getpixel((round(2 * cx) + 17, round(2 * cy))) == (0, 0, 255)  # within its radius of 2 x 10 pixels
    assert image.getpixel((round(2 * cx) + 24, round(2 * cy))) != (0, 0, 255)


@pytest.mark.parametrize(
    ("values", "layout", "texts"),
    [
        ([0.0, 1.0], {}, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        ([-30.0, 30.0], {}, ["−20", "0", "20"]),
        ([5.0, 5.0], {}, ["4.6", "4.8", "5.0", "5.2", "5.4"]),
        ([], {}, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        ([0.5, 50.0, -1.0, None], {"type": "log"}, ["0.5", "1", "2", "5", "10", "20", "50"]),
        ([1.0, 1e6], {"type": "log"}, ["1", "10", "100", "1,000", "10,000", "100,000", "1,000,000"]),
    ],
)
def test_ticks_are_round_numbers_within_the_axis(values, layout, texts):
    axis = _Axis(layout, values, 0.0, 100.0)
    assert [text for _, text in axis.ticks] == texts
    assert all(0 <= axis.at(value) <= 100 for value, _ in axis.ticks)


def test_a_dashed_line_is_drawn_for_its_share_of_the_length_across_its_corners():
    pieces = list(_dashed([(0.0, 0.0), (25.0, 0.0), (25.0, 25.0)], (6, 4), 1))
    lengths = [abs(x1 - x0) + abs(y1 - y0) for (x0, y0), (x1, y1) in pieces]
    assert sum(lengths) == pytest.approx(30, abs=0.01)
    assert pieces[2][0] == (20.0, 0.0)
    assert lengths[2] + lengths[3] == pytest.approx(6, abs=0.01)  # the third dash turns the corner


def test_the_plots_of_a_run_are_those_of_its_model(folder, model, tmp_path, capsys):
    assert run(["plot", str(folder), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    kinds = ["curves", "samples", "reconstructions", "interpolation", "codes"]
    assert found == {"files": [str(folder / "plots" / f"{kind}.png") for kind in kinds], "missing": []}
    assert (folder / "plots" / "samples.png").read_bytes() == zoo.show(model.sample(64, seed=0))._repr_png_()
    x = zoo.load_data("digits").test
    rows = {"test images": x[:16], "vae": model.reconstruct(x[:16])}
    assert (folder / "plots" / "reconstructions.png").read_bytes() == zoo.show(rows)._repr_png_()
    assert zoo.plot(model, "codes", "digits").svg == zoo.plot(folder, "codes").svg
    svg = zoo.plot(folder, "curves").svg
    assert {"loss", "valid_loss", "epoch", "vae-digits-1"} <= set(re.findall(">([^<]+)</text>", svg))
    assert run(["plot", str(folder), "codes", "--svg", "--out", str(tmp_path / "here")]) == 0
    assert (tmp_path / "here" / "codes.svg").read_text() == zoo.plot(folder, "codes").svg


def test_the_ends_of_an_interpolation_are_reconstructions(model):
    x = zoo.load_data("digits").test
    pixels = np.asarray(zoo.plot(model, "interpolation", "digits").image)
    first, last = pixels[4:60:7, 4:60:7, 0], pixels[4:60:7, 4 + 8 * 60 : 60 + 8 * 60 : 7, 0]
    ends = np.rint(model.reconstruct(x[[0, 6]]).numpy() * 255)
    assert np.abs(first - ends[0]).max() <= 1
    assert np.abs(last - ends[1]).max() <= 1


def test_the_plots_of_a_comparison_have_every_contestant(tmp_path, capsys):
    write_folder(tmp_path)
    assert run(["plot", str(tmp_path)]) == 0
    written = capsys.readouterr().out.splitlines()
    assert [line.rpartition("/")[2] for line in written] == [
        *("curves.png", "samples.png", "reconstructions.png", "interpolation.png", "codes.png"),
    ]
    titles = set(re.findall(">([^<]+)</text>", zoo.plot(tmp_path, "codes").svg))
    assert {"ae@normal", "vae"} <= titles


def test_validation_losses_of_another_file_are_drawn_beside_the_training_losses(tmp_path):
    write_folder(tmp_path)
    for log in (tmp_path / "vae").glob("*/metrics.jsonl"):
        log.write_text("".join(json.dumps({"epoch": epoch, "loss": 1.0}) + "\n" for epoch in (1, 2)))
        assert "valid_loss" not in curves({"vae": [[log]]}).svg
        lines = [{"epoch": epoch, "valid_loss": 2.0} for epoch in (1, 2)]
        log.with_name("validation.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = zoo.plot(tmp_path, "curves")
    (panel,) = [panel for panel in found.content if panel.title == "vae"]
    assert [trace["name"] for trace in panel.figure["data"]] == ["loss", "valid_loss"] * 5


@pytest.mark.parametrize(
    ("what", "kind", "error", "match"),
    [
        ("model", "curve", zoo.ConfigError, "No plot 'curve'. Did you mean 'curves'"),
        ("model", "curves", zoo.ConfigError, "give the run's folder instead of its model"),
        ("model", "codes", zoo.ConfigError, "say which data they are from"),
        ("indices", "samples", zoo.Unsupported, "no plot of samples here: .* need images and a model that can sample"),
        ("empty", "curves", zoo.Unsupported, "need a log of two epochs or more"),
    ],
)
def test_a_plot_that_cannot_be_had_says_why(model, tmp_path, what, kind, error, match):
    indices = zoo.create("vae:latent_dim=2,hidden=[8]", zoo.DataSpec((5,), "real"))
    of = {"model": model, "indices": indices, "empty": tmp_path}[what]
    with pytest.raises(error, match=match):
        zoo.plot(of, kind)


def test_a_notebook_shows_a_picture_as_png(model):
    picture = zoo.plot(model)
    assert isinstance(picture, Picture)
    assert picture._repr_png_().startswith(b"\x89PNG")
