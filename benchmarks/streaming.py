"""Peak memory and time of `zoo encode` and `zoo score` over a large file.

`python benchmarks/streaming.py [GB [FORM:COMMAND…]]` writes a file of GB gigabytes (2) of each form (npy, parquet, csv)
into a temporary folder, with 16 columns of normal numbers, and runs the command (encode, score) with a small VAE in a
process of its own. It prints the peak of the resident memory of that process, and its times.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from usage import usage

import zoo

OUTPUTS = {"encode": "z.npy", "score": "s.csv"}
COLUMNS = 16
ROWS = 2**17  # written at a time
MODEL = "vae:likelihood=gaussian,latent_dim=2,hidden=[8],sample.k=1"
NAMES = [f"x{k}" for k in range(COLUMNS)]


def main() -> None:
    size = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
    for case in sys.argv[2:] or [f"{form}:{command}" for form in ("npy", "parquet", "csv") for command in OUTPUTS]:
        form, _, command = case.partition(":")
        with tempfile.TemporaryDirectory(prefix="zoo-") as folder:
            path, run, few = (Path(folder) / name for name in (f"x.{form}", "run", "few.csv"))
            rows = write(path, form, size * 1e9)
            few.write_text("\n".join(map(",".join, [NAMES, *(map(repr, row) for row in block(0)[:200].tolist())])))
            zoo.train(MODEL, str(few), steps=20, folder=run)
            print(f"{case}: {path.stat().st_size / 1e9:.2f} GB, {rows:,} rows", flush=True)
            output = f"{folder}/{OUTPUTS[command]}"
            words = [sys.executable, "-m", "zoo", command, str(run), "--data", str(path), "-o", output]
            began = time.monotonic()
            used = usage(words)
            seconds, cpu = time.monotonic() - began, used.ru_utime + used.ru_stime
            print(f"  peak {used.ru_maxrss / 2**20:.2f} GiB, {seconds:.0f} s, {cpu:.0f} CPU s", flush=True)


def block(number: int) -> np.ndarray:
    return np.random.default_rng(number).standard_normal((ROWS, COLUMNS), np.float32)


def write(path: Path, form: str, size: float) -> int:
    """Write at least so many bytes; return the number of rows."""
    count = -(-int(size) // (4 * COLUMNS * ROWS))
    if form == "npy":
        header = {"descr": "<f4", "fortran_order": False, "shape": (count * ROWS, COLUMNS)}
        with path.open("wb") as file:  # not mapped: a child's peak includes the memory of its parent at the fork
            np.lib.format.write_array_header_1_0(file, header)
            for number in range(count):
                file.write(block(number).tobytes())
        return count * ROWS
    import pyarrow
    import pyarrow.csv
    import pyarrow.parquet

    schema = pyarrow.schema([(name, pyarrow.float32()) for name in NAMES])
    kind = {"parquet": pyarrow.parquet.ParquetWriter, "csv": pyarrow.csv.CSVWriter}[form]
    number = 0
    with kind(path, schema) as writer:
        while path.stat().st_size < size if form == "csv" else number < count:
            writer.write_table(pyarrow.table(list(block(number).T), schema=schema))
            number += 1
    return number * ROWS


if __name__ == "__main__":
    main()
