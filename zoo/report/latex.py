r"""A comparison's tables in LaTeX, for `\input` in a document that uses the package booktabs."""

from __future__ import annotations

from zoo.report.table_view import TableCell, TableRow, TableView, all_failures, incidents, legend, scope, sheets
from zoo.results.schema import Results
from zoo.results.trained import in_brief, in_full

_SPECIAL = {
    "\\": r"\textbackslash{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "~": r"$\sim$",
    "^": r"\textasciicircum{}",
    "*": r"$^*$",
    "<": "$<$",
    ">": "$>$",
    "|": "$|$",
    "±": r"$\pm$",
    "−": "$-$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "≈": r"$\approx$",
    "×": r"$\times$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "\N{NO-BREAK SPACE}": "~",
    "\n": " ",
}


def to_latex(results: Results) -> str:
    r"""Return one `table` environment for each table, with its notes; the best figure of a column is bold."""
    shown = sheets(results)
    signs = "; ".join(legend(shown))
    how = [f"{trainings}."] if (trainings := in_full(results)) else []
    data = ", ".join(filter(None, (results.protocol.data.name, in_brief(results))))
    foot = [*all_failures(results), *incidents(results), *([f"{signs}."] if signs else []), *how, scope(results)]
    parts = ["% needs \\usepackage{booktabs}"]
    for sheet in shown:
        last = sheet is shown[-1]
        parts.append(_table(sheet, [*sheet.notes, *(foot if last else [])], data))
    return "\n\n".join(parts) + "\n"


def latex(text: str) -> str:
    """Return text with the characters that have a meaning in LaTeX, or none, written as commands."""
    return "".join(_SPECIAL.get(sign, sign) for sign in text)


def _table(sheet: TableView, notes: list[str], data: str) -> str:
    groups = [[_line(line) for line in lines] for _, lines in sheet.groups]
    body = "\n    \\midrule\n".join("\n".join(lines) for lines in groups)
    head = " & ".join(["contestant", *(latex(column.heading) for column in sheet.columns)])
    small = "".join(f"\n  \\par\\footnotesize {latex(note)}" for note in notes)
    return (
        f"\\begin{{table}}\n  \\centering\n  \\caption{{{latex(f'{sheet.title}: {data}')}}}\n"
        f"  \\begin{{tabular}}{{l{'r' * len(sheet.columns)}}}\n    \\toprule\n    {head} \\\\\n    \\midrule\n{body}\n"
        f"    \\bottomrule\n  \\end{{tabular}}{small}\n\\end{{table}}"
    )


def _line(line: TableRow) -> str:
    name = latex(f"{line.contestant} {line.below}".rstrip())
    return f"    {' & '.join([name, *map(_cell, line.cells)])} \\\\"


def _cell(cell: TableCell) -> str:
    figure = latex(cell.text)
    if cell.mark.startswith("*"):
        return f"\\textbf{{{figure}}}"
    return latex(f"{cell.text} {cell.mark}".rstrip())
