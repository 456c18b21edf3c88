"""Arrays in and out of the command line: `.npy`, `.npz`, for images `.png`, for tables `.csv`."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.errors import ConfigError, DataError
from zoo.storage import write_atomically

if TYPE_CHECKING:
    from torch import Tensor

SUFFIXES = (".png", ".npy", ".npz", ".csv")

output_option = click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="File to write: .png, .npy, .npz or .csv.",
)


def check_output(path: Path) -> None:
    """Refuse an output before any work: an unknown ending, a folder that is not there."""
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"The output must end in {', '.join(SUFFIXES)}, got {path.name!r}.")
    if not path.absolute().parent.is_dir():
        raise ConfigError(f"The folder of the output {path} does not exist; make it first.")


def write_array(path: Path, x: Tensor, name: str, columns: tuple[str, ...] = ()) -> None:
    """Write a tensor in the format of the path's ending.

    Args:
        path: with one of `SUFFIXES`.
        x: shape (N, …); a `.csv` has a line for each of the N, its values in a row.
        name: key of the array in an `.npz`; stem of the columns in a `.csv` that has no names for them.
        columns: names for the header of a `.csv`.
    """
    import numpy as np

    array = x.detach().cpu().numpy()
    buffer = io.BytesIO()
    if path.suffix.lower() == ".png":
        from zoo.report.grid import as_pixels, tile, write_png

        across = max(1, min(32, round(len(array) ** 0.5)))
        write_png(tile(as_pixels(array), across), path)
        return
    if path.suffix.lower() == ".csv":
        rows = array.reshape(len(array), -1)
        header = columns or tuple(f"{name}_{number}" for number in range(1, rows.shape[1] + 1))
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(header)
        writer.writerows([[repr(float(value)) for value in row] for row in rows])
        write_atomically(path, text.getvalue().encode())
        return
    if path.suffix.lower() == ".npy":
        np.save(buffer, array)
    else:
        arrays: dict[str, Any] = {name: array}
        np.savez(buffer, **arrays)
    write_atomically(path, buffer.getvalue())


def read_array(path: Path) -> Tensor:
    """Read an `.npy`, an `.npz` that holds one array, or a `.csv` of numbers, as float32.

    Raises:
        DataError: if it is missing or something else.
    """
    import numpy as np
    import torch

    if path.suffix.lower() == ".csv":
        from zoo.data.csv import read_csv

        return torch.from_numpy(read_csv(path)[0]).to(torch.float32)
    try:
        content: Any = np.load(path, allow_pickle=False)
        if hasattr(content, "files"):
            if len(content.files) != 1:
                raise DataError(f"{path} must hold one array, got {', '.join(content.files) or 'none'}.")
            content = content[content.files[0]]
        return torch.from_numpy(np.ascontiguousarray(content)).to(torch.float32)
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror or 'it is no .npy or .npz file'}.") from None
    except (ValueError, TypeError, EOFError) as error:
        raise DataError(f"{path} must be an .npy or .npz file of numbers: {error}.") from None
