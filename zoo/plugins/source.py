"""What a plugin's source says of its card, without importing it: for completion, advice and lists."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from zoo.contract import hookspecs
from zoo.plugins.plugin import Candidate

_TRAINING = Path(hookspecs.__file__).with_name("training.py")


@dataclass(frozen=True)
class PluginSource:
    """The classes of a plugin's package, and the arguments of its card."""

    classes: dict[str, ast.ClassDef]
    card: dict[str, ast.expr]

    @classmethod
    def of(cls, candidate: Candidate) -> Self:
        """Read the source of an installed plugin; nothing is found in one that is not written in Python."""
        trees = list(_trees(candidate.value.partition(":")[0]))
        classes = {node.name: node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
        return cls(classes, next((card for tree in trees for card in _cards(tree, candidate.name)), {}))

    @property
    def summary(self) -> str:
        """The card's summary, "" if it is not a plain text."""
        said = self.card.get("summary")
        return str(said.value) if isinstance(said, ast.Constant) else ""

    @property
    def settings(self) -> list[str]:
        """The settings of a model as typed: `latent_dim`, `train.learning_rate`, `sample.k`.

        The names are those of the annotated fields of the classes that the card gives as config and options. Those of
        classes from elsewhere (`options=zoo.DeclaredNoise`) are unknown; training settings never are.
        """
        training = {each.name: each for each in _parsed(_TRAINING).body if isinstance(each, ast.ClassDef)}
        return [
            *_fields(self.classes, self.card.get("config")),
            *(f"train.{name}" for name in _fields(training, ast.Name("Training"))),
            *(f"sample.{name}" for name in _fields(self.classes, self.card.get("options"))),
        ]


def _trees(module: str) -> Iterator[ast.Module]:
    """Parse the module of an entry point, then the other files of its folder in a package."""
    top, *inner = module.split(".")
    spec = importlib.util.find_spec(top)  # of a top-level package: imports nothing
    if spec is None or spec.origin is None:
        return
    file = Path(spec.origin)
    if spec.submodule_search_locations:
        base = file.parent.joinpath(*inner)
        file = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
    if file.suffix == ".py" and file.is_file():
        yield _parsed(file)
        if spec.submodule_search_locations:
            yield from (_parsed(each) for each in sorted(file.parent.glob("*.py")) if each != file)


def _parsed(file: Path) -> ast.Module:
    """Parse a file; one with an invalid syntax is empty."""
    try:
        return ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return ast.Module([], [])


def _cards(tree: ast.AST, name: str) -> Iterator[dict[str, ast.expr]]:
    """Yield the arguments of each call that makes a card of this name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            arguments = {each.arg: each.value for each in node.keywords if each.arg}
            if isinstance(said := arguments.get("name"), ast.Constant) and said.value == name:
                yield arguments


def _fields(classes: dict[str, ast.ClassDef], named: ast.expr | None) -> list[str]:
    """Return the annotated fields of a class, those of its bases first."""
    if not isinstance(named, ast.Name) or named.id not in classes:
        return []
    node = classes[named.id]
    inherited = [field for base in node.bases for field in _fields(classes, base)]
    own = [
        each.target.id for each in node.body if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
    ]
    return [*inherited, *own]
