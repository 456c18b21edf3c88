"""Comparing how contestants generate: the grid of (contestant, seed) cells, and the table that comes out of it.

`entrants` says who may stand in it; `run` and `grid` plan the processes and import no torch; `tasks` is what happens
inside them, with `measuring` and `pictures`; `standing` says who is best and who is tied; `result` is what comes back.
"""

from zoo.comparison.result import Comparison
from zoo.comparison.run import compare, evaluate

__all__ = ["Comparison", "compare", "evaluate"]
