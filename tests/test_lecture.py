"""The lecture as a notebook: it runs from top to bottom, and what its text says of the figures is so."""

import json
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


def test_the_notebook_is_valid_and_holds_no_outputs():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)


def test_every_cell_that_ends_in_a_picture_shows_it(cells):
    ends = ("show(", "map_of(", "Image.open(")
    asked = [cell for cell in cells if cell.cell_type == "code" and cell.source.splitlines()[-1].startswith(ends)]
    assert len(shown(cells, "image/png")) == len(asked) == 10


def test_the_table_is_shown_with_every_contestant(cells, facts):
    (table,) = shown(cells, "text/html")
    assert all(contestant in table for contestant in facts["distance"])


def test_the_plain_autoencoder_says_why_it_does_not_sample(cells):
    printed = "".join(output.text for cell in cells for output in cell.get("outputs", []) if "text" in output)
    assert "no distribution over h" in printed


def test_decoding_a_standard_normal_fails_where_a_density_of_the_codes_does_not(facts):
    assert facts["distance"]["ae@normal"] > 2 * facts["distance"]["ae@gmm"]


def test_the_codes_are_not_standard_normal(facts):
    assert min(facts["spread"]) > 1.1
    assert facts["correlation"] > 0.3


def test_a_long_chain_of_the_rbm_is_nearer_than_a_step(facts):
    assert facts["distance"]["rbm:sample.steps=1"] > 2 * facts["distance"]["rbm"]


def test_the_vae_reconstructs_less_well_than_the_autoencoder(facts):
    assert facts["errors"]["vae"] > facts["errors"]["ae"]
