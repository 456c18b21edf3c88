"""Notebooks: detection, and the small HTML tables that represent objects. Imports no torch."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from html import escape


def in_notebook() -> bool:
    """Return whether this process is the kernel of a notebook (Jupyter, Colab, VS Code)."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return getattr(shell, "kernel", None) is not None  # IPython in a terminal has no kernel


def facts_table(title: str, facts: Mapping[str, object]) -> str:
    """Return an HTML table of a title and one row per fact, everything escaped; facts that are None are left out."""
    rows = "".join(
        f'<tr><th scope="row" style="text-align:left">{escape(name)}</th>'
        f'<td style="text-align:left">{escape(str(value))}</td></tr>'
        for name, value in facts.items()
        if value is not None
    )
    caption = f'<caption style="text-align:left;font-weight:bold;color:inherit">{escape(title)}</caption>'
    return f"<table>{caption}<tbody>{rows}</tbody></table>"


def one_line(text: object) -> str:
    """Return a text with newlines and control characters as escapes, for a repr."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in str(text))
