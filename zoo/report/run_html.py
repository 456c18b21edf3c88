"""`report.html` and `samples.png` of a single training: a small page without scripts. Imports no torch."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from zoo.errors import Unsupported
from zoo.files.storage import write_atomically
from zoo.report.drawing import Panel, to_svg
from zoo.report.figures import figure
from zoo.report.pictures import Arrays, data_uri
from zoo.report.plots import KINDS, curves, plot
from zoo.report.show import Picture

if TYPE_CHECKING:
    from jinja2 import Template

_TEXTS = {
    "curves": "The loss is what this model minimises; losses of different models are different quantities.",
    "samples": "The first samples, with seed 0; none were selected.",
    "reconstructions": "Test images, and decode(encode(x)) below them. Good reconstructions do not show that the model "
    "can generate.",
    "interpolation": "Each row decodes points on the straight line from the code of one test image to that of another.",
    "path": "Each row is one sample: noise on the left, the sample on the right, states of the sampler between them.",
    "codes": "Dots are codes of test images, one colour per class; rings are codes as the model draws them. Where the "
    "rings lie among the dots, the decoder does what it was trained to do; elsewhere it extrapolates.",
}


def write_run_report(folder: Path, name: str, record: Mapping[str, Any], parameters: int, arrays: Arrays) -> list[Path]:
    """Write `report.html`, and `samples.png` of a model of images that can sample; return what was written.

    Args:
        folder: of the run, with its log.
        name: the model's, with its density.
        record: the contents of `run.json`.
        parameters: number of trained values.
        arrays: the pictures of the model, of images in [0, 1].
    """
    pictures: dict[str, Picture] = {}
    for kind in KINDS:
        try:
            pictures[kind] = (
                curves({"": [[folder / "metrics.jsonl"]]}) if kind == "curves" else plot(kind, {name: arrays})
            )
        except Unsupported:
            continue
    written = [pictures["samples"].save(folder / "samples.png")] if "samples" in pictures else []
    run = shlex.quote(str(folder))
    page = _template().render(
        name=name,
        data=record["data"]["name"],
        facts=_facts(record, parameters),
        pictures=[(kind.capitalize(), _TEXTS[kind], _embedded(kind, each)) for kind, each in pictures.items()],
        settings=_settings(record),
        commands=[f"zoo evaluate {run}", f"zoo sample {run} -n 64", f"zoo compare {run} ae@gmm vae"],
    )
    write_atomically(folder / "report.html", page.encode())
    return [*written, folder / "report.html"]


@cache
def _template() -> Template:
    from zoo.report.html import environment

    return environment().get_template("run.html.j2")


def _embedded(kind: str, picture: Picture) -> Markup:
    if not isinstance(picture.content, list | tuple):
        return Markup('<img src="{}" alt="{}">').format(data_uri(picture.image), picture.title or kind)
    svg = to_svg([Panel("", panel.figure) for panel in picture.content])
    return Markup(svg.replace("<svg ", f'<svg role="img" aria-label="{kind}" ', 1))  # made of escaped texts


def _facts(record: Mapping[str, Any], parameters: int) -> list[tuple[str, str]]:
    found = [("budget", record["budget"]), ("seed", str(record["seed"])), ("parameters", f"{parameters:,}")]
    if "seconds" in record:
        found.append(("training", f"{figure(record['seconds'])} s"))
    return [*found, ("device", record.get("device", "cpu"))]


def _settings(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    groups = (("", record.get("config", {})), ("train.", record.get("training", {})))
    return [(f"{prefix}{key}", str(value)) for prefix, values in groups for key, value in values.items()]
