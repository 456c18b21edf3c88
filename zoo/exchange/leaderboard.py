"""`zoo leaderboard`: read every comparison below a folder, and write one page of their results."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from zoo.errors import CheckpointError, clause
from zoo.files.storage import write_atomically
from zoo.report.html import FILE as REPORT
from zoo.report.leaderboard import leaderboard_html
from zoo.results.file import FILE, read_results


@dataclass(frozen=True)
class Leaderboard:
    """The page, the names of the comparisons on it, and the reasons why others are not."""

    path: Path
    comparisons: list[str]
    skipped: dict[str, str]


def write_leaderboard(folder: Path, out: Path) -> Leaderboard:
    """Write a page of all results below a folder; reports are linked relative to the page.

    Raises:
        CheckpointError: if no valid results are found.
        ZooError: if the page cannot be written.
    """
    found, links, skipped = {}, {}, dict[str, str]()
    for file in sorted(folder.rglob(FILE)):
        name = str(file.parent.relative_to(folder))
        name = folder.resolve().name if name == "." else name
        try:
            found[name] = read_results(file.parent)
        except CheckpointError as error:
            skipped[name] = clause(error)
            continue
        report = file.parent / REPORT
        if report.exists():
            links[name] = quote(Path(os.path.relpath(report, out.parent)).as_posix())
    if not found:
        reasons = f": {'; '.join(skipped.values())}" if skipped else f", which 'zoo compare' writes as {FILE}"
        raise CheckpointError(f"{folder} does not contain results of comparisons{reasons}.")
    write_atomically(out, leaderboard_html(found, links, skipped).encode())
    return Leaderboard(out, list(found), skipped)
