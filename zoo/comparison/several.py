"""One comparison on several data sets: a folder, table and report for each, and one summary."""

from __future__ import annotations

import contextlib
import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from zoo.comparison.experiment import FILE, Experiment
from zoo.comparison.plan import FILE as PLAN
from zoo.comparison.plan import SUMMARY
from zoo.comparison.result import Comparison
from zoo.comparison.run import compare, data_name
from zoo.comparison.schedule import OnEvent, ScheduledJob
from zoo.data.source import source_of
from zoo.errors import CheckpointError, ConfigError, ZooError, clause
from zoo.files.names import slug
from zoo.files.storage import new_folder, write_atomically, writing
from zoo.plugins.registry import PluginRegistry
from zoo.report.critical_difference import diagram_image, diagram_svg
from zoo.report.summary import Summary, summary_html, summary_markdown, summary_text
from zoo.results.ranks import ranks_of
from zoo.runtime.interruption import Interrupted


@dataclass(frozen=True, repr=False)
class Comparisons:
    """The comparisons of the same contestants on several data sets; `print(comparisons)` shows the summary.

    Attributes:
        each: the comparison on each data set, by its name.
        errors: why there is none on other data sets.
        path: the folder with the summary, and a folder for each data set.
    """

    each: Mapping[str, Comparison]
    errors: Mapping[str, str]
    path: Path

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Read finished comparisons from their folder.

        Raises:
            CheckpointError: if there is no valid summary, or a comparison is damaged.
        """
        file = Path(path) / SUMMARY
        try:
            content = json.loads(file.read_bytes())
            folders, errors = dict(content["folders"]), dict(content["errors"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CheckpointError(f"{file} does not contain a summary of comparisons: {error}.") from None
        return cls(
            {name: Comparison.open(file.parent / folder) for name, folder in folders.items()}, errors, Path(path)
        )

    @cached_property
    def summary(self) -> Summary:
        """Mean ranks and wins in each column."""
        results = {name: comparison.typed for name, comparison in self.each.items()}
        return Summary(results, self.errors, ranks_of(results))

    @property
    def failed(self) -> list[str]:
        """One sentence per data set that failed, and per failed cell."""
        cells = [f"{name}: {text}" for name, comparison in self.each.items() for text in comparison.failed]
        return [f"{name}: {reason}" for name, reason in self.errors.items()] + cells

    def write(self) -> None:
        """Write the summary as JSON, Markdown and a page, and a critical-difference diagram for each column."""
        summary, folders = self.summary, {name: each.path.name for name, each in self.each.items()}
        content = {"folders": folders, "errors": dict(self.errors), "columns": [asdict(c) for c in summary.columns]}
        links = {name: f"{quote(folder)}/report.html" for name, folder in folders.items()}
        write_atomically(self.path / SUMMARY, json.dumps(content, indent=2).encode())
        write_atomically(self.path / "summary.md", summary_markdown(summary).encode())
        write_atomically(self.path / "summary.html", summary_html(summary, links).encode())
        for column in summary.columns:
            if column.critical_difference is not None:
                path = self.path / f"critical-difference-{column.metric}.svg"
                write_atomically(path, diagram_svg(column).encode())
                with writing(path):
                    diagram_image(column).save(path.with_suffix(".png"))

    def __repr__(self) -> str:
        """`<zoo.Comparisons on digits, rings: runs/compare-digits-rings-1>`."""
        return f"<zoo.Comparisons on {', '.join(self.each)}: {self.path}>"

    def __str__(self) -> str:
        """Return the summary as text."""
        return summary_text(self.summary)


def is_several(folder: Path) -> bool:
    """Return whether a folder is that of comparisons on several data sets, finished or not."""
    return (folder / FILE).is_file() and not (folder / PLAN).exists()


def compare_each(
    registry: PluginRegistry,
    experiment: Experiment | None,
    *,
    out: Path,
    resume: Path | None = None,
    allow_changes: bool = False,
    executor: Any = None,
    save_every: float = 30.0,
    on_event: OnEvent | None = None,
) -> Comparisons:
    """Run an experiment on each of its data sets; see `zoo.compare_each`.

    A data set that fails does not end the others.

    Raises:
        ConfigError: if the experiment names fewer than two data sets.
        ZooError: if all data sets fail, none of which has started.
    """
    if experiment is None:
        assert resume is not None
        experiment = Experiment.read(resume / FILE)
    if not isinstance(experiment.data, tuple):
        raise ConfigError(f"The experiment must name several data sets, got {experiment.data!r}; use zoo.compare.")
    texts = experiment.data
    sources = {_name(source, texts[:place]): source for place, source in enumerate(texts)}
    if resume is None:
        folder = new_folder(out, f"compare-{'-'.join(list(sources)[:4])}")
        absolute = tuple(source_of(source) or source for source in experiment.data)
        base = experiment.directory or str(Path().absolute())
        experiment = experiment.model_copy(update={"data": absolute, "directory": base})
        experiment.write(folder / FILE)
    else:
        folder = resume
    tell = on_event or (lambda job, event: None)
    found: dict[str, Comparison] = {}
    errors: dict[str, ZooError] = {}
    for name, source in sources.items():
        tell(ScheduledJob(name, None), {"data": name})
        if (finished := _finished(folder / name)) is not None:
            found[name] = finished
            continue
        arguments: dict[str, Any] = experiment.arguments | {"data": source, "place": folder / name}
        if (folder / name / PLAN).exists():
            arguments = {key: arguments[key] for key in ("jobs", "method", "timeout")}
            arguments |= {"resume": folder / name, "allow_changes": allow_changes}
        if executor is not None:
            arguments["method"] = None
        try:
            found[name] = compare(
                registry,
                **arguments,
                executor=executor,
                save_every=save_every,
                on_event=on_event,
            )
        except Interrupted as error:
            raise Interrupted(error.number, f"zoo compare --resume {shlex.quote(str(folder))}") from None
        except Exception as error:  # of one data set, whatever it is
            errors[name] = error if isinstance(error, ZooError) else ZooError(f"{type(error).__name__}: {error}")
            tell(ScheduledJob(name, None), {"warning": f"{name} failed: {errors[name]}"})
    if not found:
        if resume is None and not any((folder / name).exists() for name in sources):
            (folder / FILE).unlink()
            folder.rmdir()  # nothing was computed
        first = next(iter(errors.values()))
        raise type(first)(" ".join(dict.fromkeys(str(error) for error in errors.values())))
    comparisons = Comparisons(found, {name: clause(error) for name, error in errors.items()}, folder)
    comparisons.write()
    return comparisons


def _finished(folder: Path) -> Comparison | None:
    """Return the comparison on a data set if every cell has succeeded, so that nothing is left to resume."""
    with contextlib.suppress(CheckpointError):
        comparison = Comparison.open(folder)
        return None if comparison.failed else comparison
    return None


def _name(source: str, before: tuple[str, ...]) -> str:
    """Return the name of a data set's folder: that of the data, with a number where an earlier one has it."""
    name = slug(data_name(source))
    earlier = sum(slug(data_name(each)) == name for each in before)
    return f"{name}-{earlier + 1}" if earlier else name
