"""Arrays in and out of the command line: `.npy`, `.npz` and, for images, `.png`."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.errors import ConfigError, DataError
from zoo.storage import write_atomically

if TYPE_CHECKING:
    from torch import Tensor

SUFFIXES = (".png", ".npy", ".npz")

output_option = click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="File to write: .png, .npy or .npz.",
)


def check_output(path: Path) -> None:
    """Refuse an output before any work: an unknown ending, a folder that is not there."""
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"The output must end in {', '.join(SUFFIXES)}, got {path.name!r}.")
    if not path.absolute().parent.is_dir():
        raise ConfigError(f"The folder of the output {path} does not exist; make it first.")


def write_array(path: Path, x: Tensor, name: str) -> None:
    """Write a tensor in the format of the path's ending; `name` is its key in an `.npz`."""
    import numpy as np

    array = x.detach().cpu().numpy()
    buffer = io.BytesIO()
    if path.suffix.lower() == ".png":
        from zoo.report.grid import as_pixels, tile, write_png

        columns = max(1, min(32, round(len(array) ** 0.5)))
        write_png(tile(as_pixels(array), columns), path)
        return
    if path.suffix.lower() == ".npy":
        np.save(buffer, array)
    else:
        arrays: dict[str, Any] = {name: array}
        np.savez(buffer, **arrays)
    write_atomically(path, buffer.getvalue())


def read_array(path: Path) -> Tensor:
    """Read an `.npy`, or an `.npz` that holds one array, as float32.

    Raises:
        DataError: if it is missing or something else.
    """
    import numpy as np
    import torch

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
