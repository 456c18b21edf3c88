"""Optional libraries are imported where they are used, and nowhere else."""

import ast
from pathlib import Path

import pytest

import zoo
from zoo.runtime.extras import optional

ROOT = Path(__file__).parents[1]
OPTIONAL = {"onnx", "onnxscript", "onnxruntime", "huggingface_hub", "fsspec", "optuna"}


def imports(path: Path) -> list[tuple[str, bool]]:
    """Name of each imported distribution's package, and whether the import is at the top of the module."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = []
    for node in ast.walk(tree):
        names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
        names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
        found += [(name.partition(".")[0], node in tree.body) for name in names]
    return found


def test_the_core_imports_no_optional_library():
    found = {
        (path.relative_to(ROOT).as_posix(), at_top)
        for path in ROOT.glob("zoo/**/*.py")
        for name, at_top in imports(path)
        if name in OPTIONAL
    }
    assert {name for name, _ in found} <= {"zoo/exchange/export.py", "zoo/exchange/remote.py"}
    assert not any(at_top for _, at_top in found)


def test_nothing_imports_the_estimator():
    sources = [path for path in ROOT.glob("zoo/**/*.py") if path.name != "sklearn.py"]
    assert [path for path in sources if "zoo.sklearn" in path.read_text(encoding="utf-8")] == []


def test_a_missing_library_is_one_sentence():
    with pytest.raises(zoo.ConfigError, match=r'^A test needs throw_away, .*: pip install "genzoo\[none\]"\.$'):
        optional("throw_away.module", "none", "A test")
