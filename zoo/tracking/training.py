"""`train_tracked`: train a job's model, and tell trackers about it."""

from __future__ import annotations

import contextlib

from zoo.contestant import Contestant
from zoo.contract.tracked_run import Setting, TrackedRun
from zoo.errors import Unsupported
from zoo.files.names import slug
from zoo.models.model import Model
from zoo.plugins.plugin import Plugin
from zoo.tracking.relay import Trackers
from zoo.tracking.sheet import SHOWN, sheet
from zoo.tracking.trackers import settings_of, warn
from zoo.training.job import TrainingJob
from zoo.training.log import Report
from zoo.training.meter import Progress
from zoo.training.train import train


def train_tracked(plugins: list[Plugin], job: TrainingJob, progress: Progress | None) -> Model:
    """Train a job's model as `zoo.training.train.train` does, and tell trackers about it."""
    if not plugins:
        return train(job, progress)
    contestant = Contestant(**job.about["contestant"])
    name = job.folder.name if job.folder else slug(contestant.text)
    settings: dict[str, Setting] = {
        "data": job.data.name,
        "seed": job.seed,
        "budget": str(job.budget),
        "device": str(job.device),
    }
    run = TrackedRun(name, job.folder and job.folder.absolute(), settings_of([contestant]) | settings)
    losses: dict[str, float] = {}
    with Trackers(plugins, warn) as trackers:

        def both(report: Report) -> None:
            losses.update(report.losses)
            trackers.log(name, report.step, {**report.losses, "learning_rate": report.learning_rate})
            if progress:
                progress(report)

        trackers.begin(run)
        model = train(job, both)
        with contextlib.suppress(Unsupported):  # of a model that does not generate
            pixels = sheet(model.sample(SHOWN, seed=0).cpu().numpy())
            if pixels is not None:
                trackers.image(name, "samples", pixels)
        trackers.end(name, losses)
    return model
