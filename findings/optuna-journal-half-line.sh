#!/usr/bin/env bash
# optuna 5.0.0, Python 3.11
#
# A study in a journal file whose last line is half written, as after a kill or on a full disk, loads without a word: the
# half line is skipped. The next write is appended to that half line, so that both are lost: `ask` ends in an
# AttributeError, and the trial that was running stays RUNNING. The file is not repaired when it is opened. If the half
# line is cut off first, `ask` works.
#
# Guessed: a journal that is read past a half line is also written past it.
#
# Output seen:
#     loaded: COMPLETE COMPLETE RUNNING
#     ask after the half line: AttributeError
#     ask after cutting it off: trial 3
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/python -m pip install -qq --no-compile --disable-pip-version-check optuna==5.0.0 numpy==2.4.6
cat >study.py <<'PYTHON'
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

optuna.logging.set_verbosity(optuna.logging.ERROR)
journal, space = Path("study.journal"), {"x": optuna.distributions.FloatDistribution(0, 4)}


def storage():
    return JournalStorage(JournalFileBackend(str(journal)))


study = optuna.create_study(storage=storage(), study_name="a")
for value in (1.0, 2.0, 3.0):
    study.tell(study.ask(space), value)
*whole, last = journal.read_bytes().splitlines(keepends=True)
killed = b"".join(whole) + last[: len(last) // 2]

journal.write_bytes(killed)
study = optuna.load_study(storage=storage(), study_name="a")
states = [trial.state.name for trial in study.trials]
print("loaded:", *states)
assert states == ["COMPLETE", "COMPLETE", "RUNNING"]
try:
    study.ask(space)
except AttributeError:
    print("ask after the half line: AttributeError")
else:
    raise SystemExit("ask works after a half line")

journal.write_bytes(b"".join(whole))
print("ask after cutting it off: trial", optuna.load_study(storage=storage(), study_name="a").ask(space).number)
PYTHON
venv/bin/python study.py
