"""Whether a control looks real in a headline column: `python benchmarks/controls.py [DATA ...]`.

Trains the control rows of `zoo compare --full` once on each data set (digits, mnist, fashion-mnist), measures the
headline columns, and prints each figure with the columns in which the control is no worse than real images.
"""

import os
import sys
import tempfile
from pathlib import Path

from zoo.runtime.threads import ENVIRONMENT, single_thread

os.environ.update(ENVIRONMENT)

from zoo.api import Registry, load_data
from zoo.comparison.measurements import Measurements
from zoo.comparison.measuring import Measuring
from zoo.contestant import Contestant
from zoo.evaluation.reference import reference_split
from zoo.results.ranking import fools_metrics
from zoo.results.schema import Cell, Metric, Role, Row
from zoo.results.summary import summarise
from zoo.training.budget import TrainingBudget
from zoo.training.job import TrainingJob
from zoo.training.module import train_module
from zoo.training.resolved import resolve


def main(names: list[str]) -> None:
    registry = Registry()
    cards = [registry.plugin(name, "zoo.metrics").card for name in registry.names("zoo.metrics")]
    metrics = [Metric.of(card) for card in cards if card.level == "headline" and card.name != "likelihood"]
    for name in names:
        data = load_data(name)
        with single_thread(), tempfile.TemporaryDirectory() as scratch:
            measuring = Measuring(data, Path(scratch), [each.name for each in metrics], None, registry)
            real = measuring.samples("real", reference_split(data).real, 0, pictures=False)
            rows = [row("real", "real", real, metrics)]
            for control in registry.catalogue.compare.controls:
                contestant = Contestant(control, control, group="zoo.controls")
                folder = Path(scratch) / control
                folder.mkdir()
                budget = TrainingBudget(data.epochs, "epochs")
                model = train_module(TrainingJob(resolve(registry, contestant), data, 0, budget, folder))
                rows.append(row(control, "control", measuring.model(control, model, 0, pictures=False), metrics))
                print(f"{name}: {control} done", file=sys.stderr)
        fooled = fools_metrics(rows, metrics)
        print(f"{name:14} " + " ".join(f"{each.name:>22}" for each in metrics))
        for each in rows:
            figures = [each.figure(metric.name) for metric in metrics]
            texts = [
                f"{its.mean:.3f} ± {its.half_width or 0:.3f}{'!' * bool(its.warning)}" if its else "n/a"
                for its in figures
            ]
            print(
                f"{each.contestant:14} " + " ".join(f"{text:>22}" for text in texts),
                ", ".join(fooled.get(each.contestant, [])),
            )


def row(name: str, role: Role, found: Measurements, metrics: list[Metric]) -> Row:
    """Return a row with one cell."""
    cells = [Cell(seed=0, metrics=found.metrics)]
    return Row(
        contestant=name,
        role=role,
        folder=None,
        settings=None,
        source=None,
        train_seconds=None,
        sample_seconds_per_1000=None,
        parameters=None,
        summary={metric.name: summarise(cells, metric.name) for metric in metrics},
        cells=cells,
    )


if __name__ == "__main__":
    main(sys.argv[1:] or ["digits", "mnist", "fashion-mnist"])
