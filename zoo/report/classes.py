"""The classes of samples, as a classifier sees them: shares by contestant, and by the class that was asked for."""

from __future__ import annotations

from zoo.report.pictures import Arrays
from zoo.report.table_view import Column, TableCell, TableRow, TableView, ordered
from zoo.results.schema import Results

_COLUMNS = 12  # most classes that a table shows


def predicted_classes(results: Results, pictures: dict[str, Arrays]) -> TableView | None:
    """Return the share of each class among the samples of each row; None without classes, or with too many."""
    lines: list[TableRow] = []
    names: list[str] = []
    for row in ordered(results, "real", "contestant", "control"):
        its = pictures.get(row.contestant, {})
        if "class_shares" in its and "class_names" in its:
            names = [str(name) for name in its["class_names"]]
            shares = its["class_shares"].tolist()
            lines.append(TableRow(row.contestant, row.role, [_share(share, max(shares)) for share in shares]))
    if not lines or len(names) > _COLUMNS or any(len(line.cells) != len(names) for line in lines):
        return None
    return TableView("Predicted classes of samples", [Column(name) for name in names], lines, [])


def confusions(results: Results, pictures: dict[str, Arrays]) -> list[TableView]:
    """Return, of each conditional row, how samples of each class are classified: a line for the class asked for."""
    found = []
    for row in ordered(results, "contestant", "control"):
        its = pictures.get(row.contestant, {})
        if "confusion" in its and "class_names" in its and len(its["class_names"]) <= _COLUMNS:
            names = [str(name) for name in its["class_names"]]
            cells = [[_share(share) for share in line] for line in its["confusion"].tolist()]
            lines = [TableRow(name, "class", line) for name, line in zip(names, cells, strict=True)]
            found.append(TableView(row.contestant, [Column(name) for name in names], lines, [], head="asked for"))
    return found


def _share(share: float, largest: float = 1.0) -> TableCell:
    """Return a share in percent, as dark as it is large beside the largest."""
    return TableCell(f"{100 * share:.0f}", shade=round(share / (largest or 1.0), 2))
