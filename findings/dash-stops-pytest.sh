#!/usr/bin/env bash
# dash 4.4.1, pytest 9.2.0, Python 3.11
#
# Where Dash is installed, pytest cannot start if warnings are errors, even for tests that never import Dash. Dash brings
# a plugin that pytest loads in every run, and the plugin marks a hook in a way that pytest 9 warns of. With
# `filterwarnings = error`, which many projects set, loading it ends the run before any test: exit code 3. Without that
# setting, the test passes with a warning. `-p no:dash` leaves the plugin out.
#
# Guessed: a library for web pages has no effect on tests that do not import it.
#
# Output seen:
#     no setting: exit code 0
#     filterwarnings = error: exit code 3, PytestRemovedIn10Warning
#     filterwarnings = error, -p no:dash: exit code 0
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/python -m pip install -qq --no-compile --disable-pip-version-check dash==4.4.1 pytest==9.2.0
cat >test_sum.py <<'PYTHON'
def test_a_sum():
    assert 1 + 1 == 2
PYTHON
printf '[pytest]\nfilterwarnings = error\n' >strict.ini
printf '[pytest]\n' >usual.ini

code() { # of pytest with some arguments
    local found=0
    venv/bin/python -m pytest -q "$@" test_sum.py >output 2>&1 || found=$?
    echo "$found"
}
usual="$(code -c usual.ini)"
echo "no setting: exit code $usual"
strict="$(code -c strict.ini)"
grep -q PytestRemovedIn10Warning output
echo "filterwarnings = error: exit code $strict, PytestRemovedIn10Warning"
without="$(code -c strict.ini -p no:dash)"
echo "filterwarnings = error, -p no:dash: exit code $without"
test "$usual $strict $without" = "0 3 0"
