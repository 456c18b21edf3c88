"""TensorBoard tracker: event files in the folder `tensorboard` of each run folder, written by tensorboardX."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from tensorboardX import SummaryWriter

import zoo


class TensorBoard:
    """Losses and final figures are scalars, samples are images, and settings are a text; one writer per run."""

    card = zoo.TrackerCard(
        name="tensorboard", summary="Event files for TensorBoard in every run folder: tensorboard --logdir runs"
    )

    @zoo.hookimpl
    def begin(self, run: zoo.TrackedRun) -> None:
        """Open the run's writer; a run without a folder writes to runs/NAME/tensorboard."""
        folder = f"runs/{run.name}" if run.folder is None else run.folder
        self._writer = SummaryWriter(f"{folder}/tensorboard")
        self._step = 0
        lines = [f"| {name} | {value} |" for name, value in run.settings.items()]
        self._writer.add_text("settings", "\n".join(["| setting | value |", "|---|---|", *lines]))

    @zoo.hookimpl
    def log(self, step: int, values: dict[str, float]) -> None:
        """Write the losses of a step."""
        self._step = step
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()  # so that a killed process leaves what was logged

    @zoo.hookimpl
    def image(self, name: str, pixels: NDArray[np.uint8]) -> None:
        """Write an image."""
        self._writer.add_image(name, pixels, self._step, dataformats="HWC")

    @zoo.hookimpl
    def end(self, summary: dict[str, float], failure: str) -> None:
        """Write the final figures, and why the run failed; then close the files."""
        for name, value in summary.items():
            self._writer.add_scalar(f"final/{name}", value, self._step)
        if failure:
            self._writer.add_text("failure", failure)
        self._writer.close()
