"""Sphinx builds the documentation site: `python -m sphinx -W docs docs/_build`, and then docs/_build/index.html.

The pages of docs/ are also read without it, so nothing in them is Sphinx's. Sphinx adds an index, the reference of
every setting, command and public name, and a search that needs no network.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

DOCS = Path(__file__).parent
ROOT = DOCS.parent
sys.path[:0] = [str(DOCS)]

project, author, copyright = "zoo", "the authors of zoo", "the authors of zoo"  # noqa: A001  (Sphinx's name)
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_click", "sphinx-mathjax-offline"]
exclude_patterns = ["_build"]
smartquotes = False  # it makes a dash of --data
html_theme, html_title = "furo", "zoo"
templates_path: list[str] = []
html_copy_source = html_show_sourcelink = False

nb_execution_mode = "off"  # tests/test_lecture.py executes the notebook and checks its figures
myst_heading_anchors = 3
myst_enable_extensions = ["dollarmath"]
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"

_LINK = re.compile(r"\]\(\.\./([^)#]+?)/?(#[^)]*)?\)")


def inside_out(app: Sphinx, name: str, source: list[str]) -> None:
    """Turn links to files of the repository into the path of the file, since the site does not hold them."""
    source[0] = _LINK.sub(lambda found: f"] (`{found[1]}`)", source[0])
    source[0] = re.sub(r"\[([^\]]*)\] \(`([^`]*)`\)", _named, source[0])


def _named(found: re.Match[str]) -> str:
    text, path = found[1].strip("`"), found[2]
    return f"`{path}`" if text in path else f"{found[1]} (`{path}`)"


def escape(app: Sphinx, what: str, name: str, of: object, options: object, lines: list[str]) -> None:
    """Keep the star of `(N, *shape)`, which would begin an emphasis."""
    lines[:] = [re.sub(r"(?<![`*\\])\*+(?=\w)", lambda found: "\\*" * len(found[0]), line) for line in lines]


def no_address(app: Sphinx, ctx: object, lines: list[str]) -> None:
    """Keep `ae@gmm` from becoming an e-mail address."""
    lines[:] = [line.replace("@", r"\@") for line in lines]


def generate(app: Sphinx) -> None:
    """Write the generated pages: settings of every plugin, and a copy of the lecture."""
    import site_pages

    folder = DOCS / "generated"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, text in site_pages.pages().items():
        (folder / f"{name}.md").write_text(text, encoding="utf-8")
    shutil.copy(ROOT / "examples" / "lecture.ipynb", folder / "lecture.ipynb")


def setup(app: Sphinx) -> None:
    """Register what happens before the pages are read."""
    app.connect("builder-inited", generate)
    app.connect("source-read", inside_out)
    app.connect("autodoc-process-docstring", escape)
    for part in ("description", "options", "arguments", "epilog"):
        app.connect(f"sphinx-click-process-{part}", no_address)
