"""Comparing how contestants generate: the grid of (contestant, seed) cells, and the table that comes out of it.

`run` plans the grid and imports no torch, `tasks` is what happens inside a cell, `result` is what comes back.
"""

from zoo.comparison.result import Comparison
from zoo.comparison.run import compare

__all__ = ["Comparison", "compare"]
