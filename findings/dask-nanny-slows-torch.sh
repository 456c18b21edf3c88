#!/usr/bin/env bash
# distributed 2026.8.0, torch 2.13.0 (CPU), glibc 2.36, Python 3.11
#
# LocalCluster's nanny sets MALLOC_TRIM_THRESHOLD_=65536 for its workers: in the environment of the program that makes the
# cluster, so that other processes which that program starts have it, too. A small network then needs about 1.5
# times the CPU time on one thread, in a process that a task starts as in one that the program starts. A process that is
# started without the variable is as fast as before.
#
# Guessed: the same training takes the same CPU time wherever it is started, and a cluster leaves the environment of the
# program as it is.
#
# Output seen:
#     MALLOC_TRIM_THRESHOLD_ before: None; in a task: 65536; in the program, while the cluster is open: 65536
#     process of a task slower than before: True
#     process of a task slower than one without the variable: True
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/python -m pip install -qq --no-compile --disable-pip-version-check torch==2.13.0 numpy==2.4.6 distributed==2026.8.0
cat >train.py <<'PYTHON'
import time

import torch

torch.set_num_threads(1)
model = torch.nn.Sequential(torch.nn.Linear(784, 256), torch.nn.ReLU(), torch.nn.Linear(256, 784))
optimiser = torch.optim.Adam(model.parameters())
x = torch.rand(500, 784)
began = time.process_time()
for _ in range(200):
    optimiser.zero_grad()
    ((model(x) - x) ** 2).mean().backward()
    optimiser.step()
print(time.process_time() - began)
PYTHON
cat >cluster.py <<'PYTHON'
import os
import statistics
import subprocess
import sys

from distributed import Client, LocalCluster

NAME = "MALLOC_TRIM_THRESHOLD_"


def seconds(*without):
    environment = {name: value for name, value in os.environ.items() if name not in without}
    environment["OMP_NUM_THREADS"] = "1"
    return float(subprocess.check_output([sys.executable, "train.py"], env=environment, text=True))


if __name__ == "__main__":
    before, none = statistics.median(seconds() for _ in range(3)), os.environ.get(NAME)
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        task = client.submit(os.environ.get, NAME).result()
        print(f"{NAME} before: {none}; in a task: {task}; in the program, while the cluster is open: {os.environ.get(NAME)}")
        inside = statistics.median(client.submit(seconds, pure=False).result() for _ in range(3))
        without = statistics.median(client.submit(seconds, NAME, pure=False).result() for _ in range(3))
    print("process of a task slower than before:", inside > 1.2 * before)
    print("process of a task slower than one without the variable:", inside > 1.2 * without)
    print(f"{before:.1f}, {inside:.1f} and {without:.1f} CPU seconds", file=sys.stderr)
PYTHON
venv/bin/python cluster.py >seen
diff - seen <<'SEEN'
MALLOC_TRIM_THRESHOLD_ before: None; in a task: 65536; in the program, while the cluster is open: 65536
process of a task slower than before: True
process of a task slower than one without the variable: True
SEEN
