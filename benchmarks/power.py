"""How often three seeds tell contestants from `ae@gmm`: `python benchmarks/power.py COMPARISON`.

COMPARISON is the folder of a comparison with ten seeds. For each contestant and column, prints the share of the triples
of seeds in which the 95 % interval of the difference to `ae@gmm` excludes 0: over the seeds alone (a paired t-interval,
as tables were made before), and with the test set's share as in today's intervals. No correction for several pairs.
"""

import sys
from itertools import combinations

from zoo.comparison.result import Comparison
from zoo.results.contrast import contrast
from zoo.results.interval import Uncertainty

BEST = "ae@gmm"


def main(folder: str) -> None:
    results = Comparison.open(folder).typed
    best = next(row for row in results.rows if row.contestant == BEST)
    for metric in results.metrics:
        if metric.level != "headline" or metric.name == "likelihood" or not metric.sign:
            continue
        for row in results.rows:
            if row.role != "contestant" or row.contestant == BEST:
                continue
            if row.figure(metric.name) is None or best.figure(metric.name) is None:
                continue
            alone, both, triples = 0, 0, 0
            for seeds in combinations(results.protocol.seeds, 3):
                ours, theirs = (
                    each.model_copy(update={"cells": [cell for cell in each.cells if cell.seed in seeds]})
                    for each in (row, best)
                )
                found = contrast(ours, theirs, metric)
                assert found
                alone += abs(found.mean) > Uncertainty([found.parts["seeds"]]).half_width()
                both += abs(found.mean) > found.uncertainty.half_width()
                triples += 1
            print(f"{metric.name:20} {row.contestant:14} {alone / triples:.2f} {both / triples:.2f}")


if __name__ == "__main__":
    main(sys.argv[1])
