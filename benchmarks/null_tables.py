"""How often a table calls one of six identical contestants behind: `python benchmarks/null_tables.py MODEL [TABLES]`.

MODEL is a run folder or model file trained on the digits. Each table is a public comparison of six files of samples,
`samples:…`, which are all drawn from this one model. Prints the share of tables in which some row is called behind in
some column; it should be at most 5 %.
"""

import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

from zoo.runtime.threads import ENVIRONMENT

os.environ.update(ENVIRONMENT)

import numpy as np

import zoo
from zoo.comparison.run import PRELOAD
from zoo.engine.processes import ForkServerExecutor
from zoo.evaluation.reference import reference_split

ROWS = 6


def main(source: str, tables: int) -> None:
    model, n = zoo.load(source), reference_split(zoo.load_data("digits")).n_samples
    wrong, columns = 0, Counter[str]()
    with ForkServerExecutor(preload=PRELOAD) as executor, tempfile.TemporaryDirectory() as scratch:
        for table in range(tables):
            names = []
            for row in range(ROWS):
                file = Path(scratch) / f"{table}-{row}.npy"
                np.save(file, model.sample(n, seed=ROWS * table + row).numpy())
                names.append(f"samples:{file}")
            found = zoo.compare(names, "digits", out=Path(scratch) / "runs", executor=executor, progress=False)
            behind = {
                metric.name
                for row in found.typed.rows
                for metric in found.typed.metrics
                if row.summary[metric.name].standing == "behind"
            }
            wrong += bool(behind)
            columns.update(behind)
            if (table + 1) % 20 == 0:
                print(f"{table + 1} tables, {wrong} with a row behind ({wrong / (table + 1):.1%}) {dict(columns)}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 200)
