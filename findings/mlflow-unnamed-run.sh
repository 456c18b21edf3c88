#!/usr/bin/env bash
# mlflow 3.17.2, Python 3.11
#
# A run that is started without a name gets one ("brawny-shrike-123") that MLflow draws from Python's global random
# state. Code that was seeded before the run starts then computes something else with tracking than without, and two
# processes that are seeded alike give their runs the same name. A named run draws nothing.
#
# Guessed: the names come from a generator of MLflow's own, so that logging does not change what is logged.
#
# Output seen:
#     random.random() after random.seed(0): 0.8444 without a run, 0.8444 in a named run, 0.4206 in an unnamed run
#     names of two unnamed runs, each started after random.seed(0): the same
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/python -m pip install -qq --no-compile --disable-pip-version-check mlflow==3.17.2
venv/bin/python - <<'PYTHON'
import logging
import random
import warnings

warnings.simplefilter("ignore")
logging.disable(logging.INFO)

import mlflow

mlflow.set_tracking_uri("sqlite:///runs.db")
mlflow.set_experiment("seeds")


def draw(**options):
    random.seed(0)
    with mlflow.start_run(**options) as run:
        return random.random(), run.info.run_name


random.seed(0)
alone = random.random()
named, _ = draw(run_name="mine")
(unnamed, first), (_, second) = draw(), draw()
print(f"random.random() after random.seed(0): {alone:.4f} without a run, {named:.4f} in a named run, "
      f"{unnamed:.4f} in an unnamed run")
print(f"names of two unnamed runs, each started after random.seed(0): {'the same' if first == second else 'different'}")
assert alone == named != unnamed and first == second
PYTHON
