"""MLflow tracker: one MLflow run per run of zoo, in the experiment `zoo`, at MLFLOW_TRACKING_URI or in ./mlflow.db.

Reference: MLflow Tracking, https://mlflow.org/docs/latest/ml/tracking/.
"""

from __future__ import annotations

import math
import os
import re
import time

import numpy as np
from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from numpy.typing import NDArray
from PIL import Image

import zoo

EXPERIMENT = "zoo"
_FORBIDDEN = re.compile(r"[^\w\-./ ]")  # in the names of metrics and parameters; @, = and commas of contestants
_LONGEST = 6000  # of a parameter's value


class MLflow:
    """Settings become parameters, losses and final figures metrics, samples artifacts; failed runs are FAILED."""

    card = zoo.TrackerCard(
        name="mlflow", summary="Runs in the MLflow experiment 'zoo', at MLFLOW_TRACKING_URI or in ./mlflow.db"
    )

    @zoo.hookimpl
    def begin(self, run: zoo.TrackedRun) -> None:
        """Create the MLflow run."""
        self._client = MlflowClient(os.environ.get("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db"))
        experiment = self._client.get_experiment_by_name(EXPERIMENT)
        identity = self._create() if experiment is None else experiment.experiment_id
        self._id = self._client.create_run(identity, run_name=run.name).info.run_id
        parameters = [Param(_name(key), str(value)[:_LONGEST]) for key, value in run.settings.items()]
        self._client.log_batch(self._id, params=parameters)
        self._step = 0

    @zoo.hookimpl
    def log(self, step: int, values: dict[str, float]) -> None:
        """Log the losses of a step."""
        self._step = step
        self._metrics(values)

    @zoo.hookimpl
    def image(self, name: str, pixels: NDArray[np.uint8]) -> None:
        """Log an image as the artifact NAME.png."""
        self._client.log_image(self._id, Image.fromarray(pixels), f"{_name(name)}.png")

    @zoo.hookimpl
    def end(self, summary: dict[str, float], failure: str) -> None:
        """Log the final figures, and end the run."""
        self._metrics({f"final/{name}": value for name, value in summary.items()})
        if failure:
            self._client.set_tag(self._id, "failure", failure)
        self._client.set_terminated(self._id, "FAILED" if failure else "FINISHED")

    def _create(self) -> str:
        """Create the experiment; another process may have done so in the meantime."""
        try:
            return str(self._client.create_experiment(EXPERIMENT))
        except MlflowException:
            experiment = self._client.get_experiment_by_name(EXPERIMENT)
            if experiment is None:
                raise
            return str(experiment.experiment_id)

    def _metrics(self, values: dict[str, float]) -> None:
        """Log finite values; MLflow returns infinity as the largest float."""
        now = int(1000 * time.time())
        metrics = [
            Metric(_name(name), value, now, self._step) for name, value in values.items() if math.isfinite(value)
        ]
        self._client.log_batch(self._id, metrics=metrics)


def _name(text: str) -> str:
    """Return a name with characters that MLflow accepts."""
    return _FORBIDDEN.sub("_", text)
