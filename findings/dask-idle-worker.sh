#!/usr/bin/env bash
# distributed 2026.8.0, Python 3.11
#
# A worker of a LocalCluster without any task takes several per cent of a core, four to five times what it takes if
# the profiler is off and its ticks and system monitor are slower. On two cores, the scheduler, nanny and two workers took
# a tenth of all CPU time from the trainings that ran beside them.
#
# Guessed: a worker without tasks takes well below one per cent, and the profiler costs nothing where nothing runs.
#
# Output seen (shares of a core: 0.065, 0.040 and 0.013):
#     an idle worker takes more than twice what it takes without profiler and with slow ticks: True
#     without the profiler alone, it still does: True
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/python -m pip install -qq --disable-pip-version-check distributed==2026.8.0
cat >idle.py <<'PYTHON'
import statistics
import sys
import time

import dask
from distributed import Client, LocalCluster

SECONDS = 20
PROFILER = {"distributed.worker.profile.enabled": False}
TICKS = {"distributed.admin.system-monitor.interval": "10s", "distributed.admin.tick.interval": "1s"}


def cpu():
    import time

    return time.process_time()


def share(config):
    with (
        dask.config.set(config),
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        time.sleep(5)
        before = client.run(cpu)
        time.sleep(SECONDS)
        after = client.run(cpu)
    return statistics.mean((after[worker] - before[worker]) / SECONDS for worker in after)


if __name__ == "__main__":
    default, unprofiled, quiet = share({}), share(PROFILER), share({**PROFILER, **TICKS})
    print("an idle worker takes more than twice what it takes without profiler and with slow ticks:", default > 2 * quiet)
    print("without the profiler alone, it still does:", unprofiled > 2 * quiet)
    print(f"shares of a core: {default:.3f}, {unprofiled:.3f} and {quiet:.3f}", file=sys.stderr)
PYTHON
venv/bin/python idle.py >seen
diff - seen <<'SEEN'
an idle worker takes more than twice what it takes without profiler and with slow ticks: True
without the profiler alone, it still does: True
SEEN
