"""A comparison's table as LaTeX and its references as BibTeX, to be copied into a paper."""

from __future__ import annotations

import re

from zoo.report.table_view import TableCell, TableView, sheets
from zoo.results.schema import Results

_LATEX = {
    "\\": r"\textbackslash{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "−": "$-$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "≈": r"$\approx$",
    "×": r"$\times$",
    "↓": r"$\downarrow$",
    "↑": r"$\uparrow$",
    "\N{NO-BREAK SPACE}": "~",
}


def to_latex(results: Results) -> str:
    """Return the headline table in LaTeX, for the package booktabs; the best figure of a column is bold."""
    sheet = sheets(results)[0]
    groups = [[_line([latex(line.contestant), *map(_cell, line.cells)]) for line in lines] for _, lines in sheet.groups]
    protocol = results.protocol
    caption = (
        f"{protocol.data.name}, {protocol.budget.value:g} {protocol.budget.unit}, {len(protocol.seeds)} seed"
        f"{'s' if len(protocol.seeds) > 1 else ''}: mean ± half-width of the 95 % interval; bold: best mean; "
        "~: not distinguishable from it; ?: the order is open."
    )
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            f"\\caption{{{latex(caption)}}}",
            f"\\begin{{tabular}}{{l{'r' * len(sheet.columns)}}}",
            r"\toprule",
            _heading(sheet),
            r"\midrule",
            "\n\\midrule\n".join("\n".join(group) for group in groups),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def to_bibtex(results: Results) -> str:
    """Return an entry for the papers of the metrics that give an arXiv number or a DOI, and one for the software."""
    papers: dict[str, list[str]] = {}
    for metric in results.metrics:
        for kind, number in re.findall(r"(arXiv|doi):\s*([^\s,;]+)", metric.paper):
            papers.setdefault(f"{kind}:{number}", []).append(metric.title)
    version = results.protocol.versions.get("genzoo", "")
    entries = [
        _entry("software", "genzoo", {"title": "zoo: a plugin-based zoo of generative models", "version": version})
    ]
    for paper, titles in papers.items():
        kind, _, number = paper.partition(":")
        where = {"eprint": number, "archivePrefix": "arXiv"} if kind == "arXiv" else {"doi": number}
        key = re.sub(r"\W+", "-", paper.lower())
        entries.append(_entry("misc", key, where | {"note": f"Metric: {', '.join(titles)}"}))
    return "\n\n".join(entries) + "\n"


def latex(text: str) -> str:
    """Escape a text for LaTeX."""
    return "".join(_LATEX.get(sign, sign) for sign in text)


def _heading(sheet: TableView) -> str:
    return _line(["contestant", *(latex(column.heading) for column in sheet.columns)])


def _line(cells: list[str]) -> str:
    return f"{' & '.join(cells)} \\\\"


def _cell(cell: TableCell) -> str:
    if cell.mark.startswith("*"):
        return f"\\textbf{{{latex(cell.text)}}}"
    return f"{latex(cell.text)} {latex(cell.mark)}".rstrip()


def _entry(kind: str, key: str, fields: dict[str, str]) -> str:
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    return "\n".join([f"@{kind}{{{key},", *lines, "}"])
