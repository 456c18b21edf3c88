"""`zoo merge`: the folders of several comparisons as one, with the report of all rows."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from zoo.comparison.result import Comparison
from zoo.errors import ConfigError
from zoo.files.path_inside import path_inside
from zoo.files.storage import writing
from zoo.results.file import read_results, write_results
from zoo.results.merging import merge
from zoo.results.schema import Results


def merge_folders(folders: Sequence[Path], out: Path) -> Comparison:
    """Merge comparisons into a new folder: results, report and tables, with pictures and logs but without models.

    Args:
        folders: those of finished comparisons, at least two; their names distinguish rows of the same name.
        out: the new folder.

    Raises:
        CheckpointError: if a folder has no valid results.
        ConfigError: for comparisons that were measured differently, for equal names of folders, and if `out` is used.
        ZooError: if `out` cannot be written.
    """
    if out.exists() and any(out.iterdir()):
        raise ConfigError(f"{out} must be a new folder, and it has files; choose another with -o.")
    places = {folder.resolve().name: folder for folder in folders}
    if len(places) < len(folders):
        raise ConfigError(f"The folders must have different names, got {', '.join(map(str, folders))}; rename one.")
    parts = {name: read_results(folder) for name, folder in places.items()}
    merged = merge({name: _moved(results, name) for name, results in parts.items()})
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
        for name, folder in places.items():
            for source in _files(parts[name], folder):
                target = out / name / source.relative_to(folder)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
    write_results(out, merged)
    comparison = Comparison(merged, out)
    comparison.write()
    return comparison


def _moved(results: Results, name: str) -> Results:
    """Return results whose folders and pictures lie in the subfolder of that name."""
    rows = [row.model_copy(update={"folder": row.folder and f"{name}/{row.folder}"}) for row in results.rows]
    pictures = {text: file and f"{name}/{file}" for text, file in results.pictures.items()}
    return results.model_copy(update={"rows": rows, "pictures": pictures})


def _files(results: Results, folder: Path) -> list[Path]:
    """Return the pictures and logs that a report shows, where they exist."""
    names = [file for file in results.pictures.values() if file]
    names += [
        f"{row.folder}/seed-{cell.seed}/metrics.jsonl" for row in results.rows if row.folder for cell in row.cells
    ]
    return [path for path in dict.fromkeys(path_inside(folder, name) for name in names) if path.is_file()]
