"""What chooses among the trials of a tuning, on the validation split. Imports nothing of torch."""

from __future__ import annotations

from typing import Literal

Measure = Literal["kernel", "likelihood"]  # names of metrics

MEASURES: dict[str, Literal["lower", "higher"]] = {"kernel": "lower", "likelihood": "higher"}  # and what is better
