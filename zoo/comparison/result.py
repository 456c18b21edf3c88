"""`Comparison`: the rows, the protocol and the files of a finished comparison."""

from __future__ import annotations

import html
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from zoo.comparison.interval import mean_interval
from zoo.errors import CheckpointError

if TYPE_CHECKING:
    from rich.table import Table

SCHEMA = 1
FILE = "results.json"


@dataclass(frozen=True)
class Comparison:
    """What `zoo compare` found.

    Attributes:
        results: everything, as it stands in `results.json`: `protocol`, `metrics`, `rows`, `real`.
        path: the folder with `results.json`, `samples.png` and a folder per trained model.
    """

    results: dict[str, Any]
    path: Path

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Read a finished comparison from its folder.

        Raises:
            CheckpointError: if there is none, or of another schema.
        """
        file = Path(path) / FILE
        try:
            results = json.loads(file.read_text(encoding="utf-8"))
            schema = results["schema"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CheckpointError(f"{file} holds no comparison: {error}.") from None
        if schema != SCHEMA:
            raise CheckpointError(f"{file} has schema {schema!r}, and this zoo reads schema {SCHEMA}.")
        return cls(results, Path(path))

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One dictionary per contestant: its name, settings, cells (one per seed) and summary (per metric)."""
        rows: list[dict[str, Any]] = self.results["rows"]
        return rows

    @property
    def failed(self) -> list[str]:
        """A sentence for each cell that has no result."""
        return [
            f"{row['contestant']} seed {cell['seed']}: {cell['failed']}"
            for row in self.rows
            for cell in row["cells"]
            if "failed" in cell
        ]

    def table(self) -> Table:
        """The table, for rich."""
        from zoo.report.table import comparison_table

        return comparison_table(self.results)

    def __str__(self) -> str:
        from zoo.report.table import as_text

        return as_text(self.table())

    def _repr_html_(self) -> str:
        """In a notebook: the table as text in a fixed pitch."""
        return f"<pre>{html.escape(str(self))}</pre>"


def summarise(cells: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """A metric over a contestant's cells: mean, half-width of the interval, values, kind; or why there is none."""
    measured = [cell["metrics"][name] for cell in cells if "metrics" in cell]
    values = [each["value"] for each in measured if "value" in each]
    if not values:
        reasons = [each["unsupported"] for each in measured] + [cell["failed"] for cell in cells if "failed" in cell]
        return {"unsupported": reasons[0]}
    mean, half_width = mean_interval(values)
    kinds = sorted({each.get("kind", "") for each in measured if "value" in each} - {""})
    return {"mean": mean, "half_width": half_width, "n": len(values), "values": values, "kind": "/".join(kinds)}
