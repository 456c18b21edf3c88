"""The first look: `quick`, and the provisional table of the first seed."""

from __future__ import annotations

import pytest

import zoo
from zoo.comparison.run import QUICK_EPOCHS
from zoo.engine.executor import InlineExecutor
from zoo.errors import ConfigError
from zoo.report.progress import ShownProgress

AE, VAE = "ae@normal:hidden=[8],latent_dim=2,sample.k=5", "vae:hidden=[8],latent_dim=2,sample.k=5"


@pytest.fixture(scope="module")
def heard(tmp_path_factory):
    """A comparison of two seeds, and its events as pairs of the job's name and the event."""
    events = []
    comparison = zoo.compare(
        [AE, VAE],
        "bars-and-stripes:3",
        seeds=[5, 2],
        steps=3,
        out=tmp_path_factory.mktemp("first"),
        executor=InlineExecutor(),
        on_event=lambda job, event: events.append((job.name, event)),
    )
    return comparison, events


def figures(results, seed):
    """What was measured of each contestant with a seed, and of the real images."""
    return {
        row.contestant: {name: each.model_dump() for name, each in cell.metrics.items()}
        for row in results.rows
        for cell in row.cells
        if cell.seed == seed
    }


def test_the_provisional_results_are_those_of_the_first_seed_before_any_other_seed_has_ended(heard):
    comparison, events = heard
    (place,) = (number for number, (_, event) in enumerate(events) if "provisional" in event)
    ended = [name for name, event in events[:place] if "ended" in event and "seed" in name]
    assert ended == ["ae seed 5", "vae seed 5"]
    found = events[place][1]["provisional"]
    assert found.protocol.seeds == [5]
    assert [row.contestant for row in found.rows] == [AE, VAE, "real"]
    assert figures(found, 5) == figures(comparison.typed, 5)
    assert not figures(found, 2)


def test_the_provisional_table_is_called_provisional(heard, capsys):
    shown = ShownProgress()
    for _, event in heard[1]:
        if "provisional" in event:
            shown.on_event(None, event)
    first, heading, *table = capsys.readouterr().err.splitlines()
    assert first == "Provisional, from the first seed alone; the others follow:"
    assert heading == "bars-and-stripes:3: 3 steps, 1 seed, mean ± 95 % interval"
    assert any("vae" in line for line in table)


def test_a_resumed_comparison_counts_the_cells_that_its_journal_has(tmp_path):
    how = {"out": tmp_path, "executor": InlineExecutor()}

    def stop(job, event):
        if "ended" in event and job.name == "ae seed 0":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        zoo.compare(AE, "bars-and-stripes:3", seeds=2, steps=2, on_event=stop, **how)
    (folder,) = tmp_path.iterdir()
    found = []
    zoo.compare(resume=folder, on_event=lambda job, event: found.append(event.get("provisional")), **how)
    (results,) = filter(None, found)
    assert [[cell.seed for cell in row.cells] for row in results.rows] == [[0], [0]]


def test_quick_is_one_seed_and_twenty_epochs_unless_others_are_given(tmp_path):
    def protocol(**settings):
        events = []
        settings |= {"out": tmp_path, "executor": InlineExecutor(), "on_event": lambda job, event: events.append(event)}
        found = zoo.compare(AE, "bars-and-stripes:3", quick=True, **settings).typed.protocol
        return found, any("provisional" in event for event in events)

    found, is_announced = protocol()
    assert (found.seeds, found.budget.value, found.budget.unit) == ([0], QUICK_EPOCHS, "epochs")
    assert not is_announced
    found, is_announced = protocol(seeds=2, steps=3)
    assert (found.seeds, found.budget.value, found.budget.unit) == ([0, 1], 3, "steps")
    assert is_announced
    with pytest.raises(ConfigError, match="not a quick one; leave out full or quick"):
        zoo.compare(AE, quick=True, full=True)
    experiment = {"contestants": [AE], "data": ["bars-and-stripes:3", "bars-and-stripes:2"], "quick": True, "steps": 3}
    several = zoo.compare_each(experiment, out=tmp_path, executor=InlineExecutor())
    protocols = [each.typed.protocol for each in several.each.values()]
    assert [(its.seeds, its.budget.value, its.budget.unit) for its in protocols] == 2 * [([0], 3, "steps")]
