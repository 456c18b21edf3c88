"""`zoo.Comparison`: the results of a finished comparison and its folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from zoo.errors import ConfigError, ZooError, did_you_mean
from zoo.files.storage import write_atomically
from zoo.results.file import read_results, to_plain
from zoo.results.schema import Results, Row
from zoo.runtime.notebook import one_line

if TYPE_CHECKING:
    from pandas import DataFrame

    from zoo.report.table import ComparisonTable

_TEXTS = (
    "contestant",
    "role",
    "metric",
    "kind",
    "standing",
    "unsupported",
    "note",
    "warning",
)  # columns of results.csv


@dataclasses.dataclass(frozen=True, repr=False)
class Comparison:
    """The results of a finished comparison.

    `print(comparison)` prints its tables, `comparison["ae@gmm"].figure("frechet").mean` is one figure, and iterating
    yields the names of the rows: contestants, controls and real images.

    Attributes:
        typed: the results as objects of `zoo.results.schema`.
        path: the folder with `results.json`, the report, and one folder per trained model.
    """

    typed: Results
    path: Path

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Read a finished comparison from its folder.

        Raises:
            CheckpointError: if the folder has no valid `results.json`, or one of another schema.
        """
        return cls(read_results(path), Path(path))

    @cached_property
    def results(self) -> dict[str, Any]:
        """The contents of `results.json` as plain dictionaries and lists; `docs/results-schema.md` describes them."""
        return to_plain(self.typed)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """`results["rows"]`: one dictionary per contestant, with its cells (one per seed) and summary (per metric)."""
        rows: list[dict[str, Any]] = self.results["rows"]
        return rows

    @property
    def failed(self) -> list[str]:
        """One sentence per failed cell; empty if every contestant finished with every seed."""
        return [
            f"{row.contestant} seed {cell.seed}: {cell.failed}" for row in self.typed.rows for cell in row.failed_cells
        ]

    def __getitem__(self, contestant: str) -> Row:
        """Return the row of a contestant, under the name that it has in the tables.

        Raises:
            KeyError: if there is no such row; the message names the nearest one.
        """
        for row in self.typed.rows:
            if row.contestant == contestant:
                return row
        names = list(self)
        raise KeyError(
            f"No contestant {contestant!r} in this comparison.{did_you_mean(str(contestant), names)} "
            f"Contestants: {', '.join(names)}."
        )

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of the rows, in the order of `results.json`."""
        return (row.contestant for row in self.typed.rows)

    def best(self, metric: str) -> str | None:
        """Return the name of the contestant that is best by a metric.

        Others may not be distinguishable from it: their `standing` is `indistinguishable`. The result is None if no
        contestant is best: the metric has no direction, there are fewer than two contestants to compare, or bounds
        leave the order open.

        Args:
            metric: name of a metric, for example `frechet`.

        Raises:
            ConfigError: for a metric that this comparison does not have; the message lists those that it has.
        """
        metrics = [each.name for each in self.typed.metrics]
        if metric not in metrics:
            raise ConfigError(
                f"No metric {metric!r} in this comparison.{did_you_mean(str(metric), metrics)} "
                f"Metrics: {', '.join(metrics)}."
            )
        standings = {row.contestant: row.summary[metric].standing for row in self.typed.rows}
        return next((name for name, standing in standings.items() if standing == "best"), None)

    def to_frame(self) -> DataFrame:
        """Return a pandas DataFrame with the lines of `results.csv`: one row per contestant and metric.

        Columns: `contestant`, `role`, `metric`, `mean`, `half_width` (of the 95 % interval), `n` (number of seeds),
        `kind`, `lower` and `upper` (of a bracket), `stderr`, `standing`, `difference` to the best with its
        `difference_half_width`, `unsupported` (the reason for a missing figure), `note`, and the further columns of
        `results.csv`. Missing values are NaN.

        Raises:
            ZooError: if pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise ZooError("to_frame needs pandas, which is not installed; install it: pip install pandas") from None
        from zoo.report.table import CSV_COLUMNS, csv_lines

        frame = pandas.DataFrame(csv_lines(self.typed), columns=CSV_COLUMNS)
        texts = {name: frame[name].where(frame[name] != "", None) for name in _TEXTS}
        numbers = {name: pandas.to_numeric(frame[name]) for name in CSV_COLUMNS if name not in _TEXTS}
        return frame.assign(**texts, **numbers).astype({"n": "Int64"})

    def table(self) -> ComparisonTable:
        """Return the tables for rich: the headline, details and costs, and the other metrics of a full comparison."""
        from zoo.report.table import comparison_table

        return comparison_table(self.typed)

    def write(self) -> None:
        """Write the report, the tables and the picture of samples to the folder; nothing is measured again."""
        from zoo.report.bibtex import to_bibtex
        from zoo.report.grid import save_grid
        from zoo.report.html import write_report
        from zoo.report.latex import to_latex
        from zoo.report.table import to_csv, to_markdown

        write_atomically(self.path / "results.csv", to_csv(self.typed).encode())
        write_atomically(self.path / "results.md", to_markdown(self.typed).encode())
        write_atomically(self.path / "results.tex", to_latex(self.typed).encode())
        write_atomically(self.path / "results.bib", to_bibtex(self.typed).encode())
        save_grid(self.path, self.typed)
        write_report(self.path, self.typed)

    def __repr__(self) -> str:
        """`<zoo.Comparison of 6 contestants on digits, 3 seeds: runs/compare-digits-1>`."""
        number = sum(row.role == "contestant" for row in self.typed.rows)
        protocol = self.typed.protocol
        seeds = _count(len(protocol.seeds), "seed")
        text = f"{_count(number, 'contestant')} on {protocol.data.name}, {seeds}: {self.path}"
        return f"<zoo.Comparison of {one_line(text)}>"

    def __str__(self) -> str:
        """Return the tables as plain text."""
        from zoo.report.table import as_text

        return as_text(self.table())

    def _repr_html_(self) -> str:
        """Return the headline table for a notebook."""
        from zoo.report.table import to_html

        return to_html(self.typed)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
