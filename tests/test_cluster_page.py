"""The scripts of the page about clusters."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[1] / "docs" / "cluster.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "script", re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL), ids=lambda text: text.splitlines()[0]
)
def test_a_script_is_valid_bash(script):
    done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
