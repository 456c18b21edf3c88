"""Against a real local server: a comparison's runs are there, and a server that dies costs a warning only."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import numpy as np
import pytest

import zoo

mlflow = pytest.importorskip("mlflow")

from mlflow.tracking import MlflowClient  # noqa: E402
from zoo_mlflow import EXPERIMENT, MLflow, _name  # noqa: E402

AE = "ae@gaussian:hidden=[8],latent_dim=2"


@contextlib.contextmanager
def serving(folder):
    """Run `mlflow server` on a free port; yield its address and its process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    more = ["--backend-store-uri", f"sqlite:///{folder}/server.db", "--artifacts-destination", f"{folder}/artifacts"]
    log = (folder / "server.log").open("w")
    process = subprocess.Popen([*command, *more], cwd=folder, stdout=log, stderr=log, start_new_session=True)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{address}/health", timeout=1)
                break
            assert process.poll() is None, (folder / "server.log").read_text()
            time.sleep(0.2)
        else:
            pytest.fail("the server did not start: " + (folder / "server.log").read_text())
        yield address, process
    finally:
        kill(process)
        log.close()


def kill(process):
    """Kill the server and its workers."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture(scope="module")
def registry():
    found = zoo.Registry()
    if "mlflow" not in found.names("zoo.trackers"):
        found.register(MLflow, "zoo.trackers")
    return found


def test_a_server_has_settings_losses_figures_and_samples_of_every_run(registry, tmp_path, monkeypatch):
    with serving(tmp_path) as (address, _):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        found = registry.compare(
            AE, "digits", seeds=1, epochs=2, out=tmp_path / "runs", track="mlflow", progress=False, jobs=1
        )
        client = MlflowClient(address)
        runs = client.search_runs([client.get_experiment_by_name(EXPERIMENT).experiment_id])
        (run,) = (each for each in runs if each.info.run_name.endswith("/ae/seed-0"))
        assert run.info.status == "FINISHED"
        assert run.data.params["hidden"] == "[8]"
        assert run.data.params["seed"] == "0"
        (comparison,) = (tmp_path / "runs").iterdir()
        lines = (comparison / "ae" / "seed-0" / "metrics.jsonl").read_text().splitlines()
        last = json.loads(lines[-1])
        history = {each.step: each.value for each in client.get_metric_history(run.info.run_id, "loss")}
        assert history[last["step"]] == last["loss"]
        assert run.data.metrics[_name(f"final/{AE}/frechet")] == found[AE].figure("frechet").mean
        path = client.download_artifacts(run.info.run_id, _name(f"{AE}/samples") + ".png", str(tmp_path))
        assert np.asarray(mlflow.Image(path).to_pil()).shape[2] == 3
        assert len(runs) == 2  # and the real images


def test_a_server_that_dies_costs_a_warning_and_changes_no_figure(registry, tmp_path, monkeypatch):
    plain = registry.train(AE, epochs=3, progress=False)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with serving(tmp_path) as (address, process):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        with pytest.warns(zoo.errors.TrackerWarning, match="The tracker 'mlflow' .* failed in its hook"):
            tracked = registry.train(AE, epochs=3, track="mlflow", progress=lambda report: kill(process))
    for name, value in plain.module.state_dict().items():
        assert (tracked.module.state_dict()[name] == value).all()
