"""`Comparison`: the rows, the protocol and the files of a finished comparison."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, Self
from unicodedata import category

from zoo.errors import CheckpointError
from zoo.files.storage import write_atomically
from zoo.results.interval import mean_interval
from zoo.results.schema import check_results

if TYPE_CHECKING:
    from zoo.report.table import ComparisonTable

SCHEMA = 2
FILE = "results.json"
_LARGEST = 2**28  # bytes: a full comparison of MNIST has one million


@dataclass(frozen=True)
class Comparison:
    """What `zoo compare` found.

    Attributes:
        results: everything, as it stands in `results.json`; `docs/results-schema.md` describes it.
        path: the folder with `results.json`, the report and a folder per trained model.
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
            if (size := file.stat().st_size) > _LARGEST:
                raise CheckpointError(f"{file} has {size:,} bytes; results of more than {_LARGEST:,} are not read.")
            results = _visible(json.loads(file.read_text(encoding="utf-8"), parse_int=_whole))
            schema = results["schema"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise CheckpointError(f"{file} holds no comparison: {error}.") from None
        if schema != SCHEMA:
            raise CheckpointError(f"{file} has schema {schema!r}, and this zoo reads schema {SCHEMA}.")
        check_results(results, file)
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

    def table(self) -> ComparisonTable:
        """The tables, for rich: the headline, the details and costs, and the rest of a full comparison."""
        from zoo.report.table import comparison_table

        return comparison_table(self.results)

    def write(self) -> None:
        """Write what is made of the results, without measuring again: the report, the tables, the picture."""
        from zoo.report.grid import save_grid
        from zoo.report.html import write_report
        from zoo.report.table import to_csv, to_markdown

        write_atomically(self.path / "results.csv", to_csv(self.results).encode())
        write_atomically(self.path / "results.md", to_markdown(self.results).encode())
        save_grid(self.path, self.results)
        write_report(self.path, self.results)

    def __str__(self) -> str:
        from zoo.report.table import as_text

        return as_text(self.table())

    def _repr_html_(self) -> str:
        """In a notebook: the tables."""
        from zoo.report.table import to_html

        return to_html(self.results)


def _whole(digits: str) -> int:
    """A whole number of JSON, refused where 64 bits do not hold it."""
    if len(digits) > 20 or not -(2**63) <= int(digits) < 2**63:
        raise ValueError(f"the number {digits[:20]}… is too large")
    return int(digits)


def _visible(value: Any) -> Any:
    """Plain values whose texts have nothing that a terminal obeys: a control character is shown as its escape."""
    if isinstance(value, dict):
        return {_visible(key): _visible(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_visible(each) for each in value]
    if isinstance(value, str) and not value.isprintable():
        kept = (each if category(each)[0] != "C" or each == "\n" else repr(each)[1:-1] for each in value)
        return "".join(kept)
    return value


def summarise(cells: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """A metric over a contestant's cells: mean, half-width of the interval, values, kind; or why there is none.

    The standard error is that of the mean of the cells' own ones, where the cells draw independently; a bracket is the
    mean of theirs.
    """
    measured = [cell["metrics"][name] for cell in cells if "metrics" in cell]
    values = [each["value"] for each in measured if "value" in each]
    if not values:
        reasons = [each["unsupported"] for each in measured] + [cell["failed"] for cell in cells if "failed" in cell]
        return {"unsupported": reasons[0]}
    mean, half_width = mean_interval(values)
    kinds = sorted({each.get("kind", "") for each in measured if "value" in each} - {""})
    errors = [each["stderr"] for each in measured if "stderr" in each]
    brackets = [each["bracket"] for each in measured if "bracket" in each]
    return {
        "mean": mean,
        "half_width": half_width,
        "n": len(values),
        "values": values,
        "kind": "/".join(kinds),
        "note": next((each["note"] for each in measured if "note" in each), ""),
        "stderr": math.hypot(*errors) / len(errors) if errors else None,
        "bracket": [fmean(ends) for ends in zip(*brackets, strict=True)] if len(brackets) == len(values) else None,
    }
