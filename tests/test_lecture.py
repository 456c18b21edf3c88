"""The lecture as a notebook: run again, it gives the committed figures and pictures, and what its text says is so."""

import json
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

pytestmark = pytest.mark.documents

NOTEBOOK = Path(__file__).parents[1] / "examples" / "lecture.ipynb"
FACTS = """
import json

errors = {name: (model.reconstruct(digits.test) - digits.test).square().sum((1, 2)).mean().item()
          for name, model in {"ae": ae, "vae": vae}.items()}
print(json.dumps({"distance": distance, "errors": errors,
                  "spread": codes.std(0).tolist(), "correlation": correlation.abs().max().item()}))
"""


@pytest.fixture(scope="module")
def committed():
    return nbformat.read(NOTEBOOK, as_version=4).cells


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """The notebook's cells with their outputs, and one more that prints what it computed."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(FACTS))
    resources = {"metadata": {"path": str(tmp_path_factory.mktemp("lecture"))}}
    return NotebookClient(notebook, timeout=600, kernel_name="python3", resources=resources).execute().cells


@pytest.fixture(scope="module")
def facts(cells):
    return json.loads(cells[-1].outputs[-1].text)


def shown(cells, kind):
    """What the cells show of one kind of content, in order."""
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    return [output.data[kind] for output in outputs if kind in output.get("data", {})]


def printed(cells):
    return "".join(output.text for cell in cells for output in cell.get("outputs", []) if "text" in output)


def table(cells):
    """Contestant -> its cells of the table that have an interval, as (figure, half-width)."""
    (page,) = shown(cells, "text/html")
    rows = re.findall(r"<tr><th scope=\"row\"[^>]*>(.*?)</th>(.*?)</tr>", page.replace("−", "-"))
    return {name: [tuple(map(float, each)) for each in re.findall(r"(-?[\d.]+) ± ([\d.]+)", row)] for name, row in rows}


def size(png):
    return png[:32]  # base64 of the signature and the header


def test_the_notebook_is_valid_and_was_run_from_top_to_bottom(committed):
    nbformat.validate(nbformat.read(NOTEBOOK, as_version=4))
    code = [cell for cell in committed if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert "ae@normal" in printed(committed)
    assert NOTEBOOK.stat().st_size < 600_000


def test_every_figure_of_the_committed_table_is_found_again_within_its_interval(committed, cells):
    before, now = table(committed), table(cells)
    assert before.keys() == now.keys()
    for name, figures in before.items():
        assert len(figures) == len(now[name]) >= 5
        for (old, before_width), (new, now_width) in zip(figures, now[name], strict=True):
            assert abs(new - old) <= max(before_width, now_width), (name, old, new)


def test_every_cell_that_ends_in_a_picture_shows_it_as_committed(committed, cells):
    code = [cell for cell in cells if cell.cell_type == "code"]
    asked = [cell for cell in code if cell.source.splitlines()[-1].startswith(("zoo.show(", "zoo.plot("))]
    pictures = shown(cells, "image/png")
    assert len(pictures) == len(asked) == 11
    assert list(map(size, pictures)) == list(map(size, shown(committed, "image/png")))


def test_readers_predict_before_they_run(committed):
    assert sum("**Predict.**" in cell.source for cell in committed if cell.cell_type == "markdown") >= 6


def test_the_table_is_shown_with_every_contestant(cells, facts):
    assert table(cells).keys() == facts["distance"].keys()


def test_the_plain_autoencoder_says_why_it_does_not_sample(cells):
    assert "no distribution over h" in printed(cells)


def test_a_density_leaves_the_decoder_as_it_is(cells):
    assert "same decoder: True" in printed(cells)


def test_decoding_a_standard_normal_fails_where_a_density_of_the_codes_does_not(facts):
    assert facts["distance"]["ae@normal"] > 2 * facts["distance"]["ae@gmm"]


def test_the_codes_are_not_standard_normal(facts):
    assert min(facts["spread"]) > 1.1
    assert facts["correlation"] > 0.3


def test_a_long_chain_of_the_rbm_is_nearer_than_a_step(facts):
    assert facts["distance"]["rbm:sample.steps=1"] > 2 * facts["distance"]["rbm"]


def test_the_vae_reconstructs_less_well_than_the_autoencoder(facts):
    assert facts["errors"]["vae"] > facts["errors"]["ae"]
