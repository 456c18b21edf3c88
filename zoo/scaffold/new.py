"""`zoo new`: create the distribution of a working model plugin from templates. Does not import torch.

The templates are a small model that passes `zoo check`, to be replaced part by part. `templates/minimal` is the
smallest possible plugin.
"""

from __future__ import annotations

from pathlib import Path

from zoo.contract.names import PLUGIN_NAME
from zoo.errors import ConfigError, ZooError

_WHOLE = {
    "pyproject.toml": "pyproject.toml.j2",
    "README.md": "whole/README.md.j2",
    ".gitignore": "whole/gitignore.j2",
    ".github/workflows/test.yml": "whole/test.yml.j2",
    "{package}/__init__.py": "whole/init.py.j2",
    "{package}/model.py": "whole/model.py.j2",
    "{package}/plugin.py": "whole/plugin.py.j2",
    "{package}/py.typed": "whole/py.typed.j2",
    "tests/test_{module}.py": "whole/test_model.py.j2",
}
_MINIMAL = {"pyproject.toml": "pyproject.toml.j2", "{package}.py": "minimal/module.py.j2"}


def scaffold(name: str, parent: Path, *, minimal: bool = False) -> list[Path]:
    """Create the folder `parent/NAME` and return its files.

    Args:
        name: name of the model, as typed by users.
        parent: folder in which the new folder is created.
        minimal: whether to write the smallest plugin, which has two files.

    Raises:
        ConfigError: if the name is not a valid model name, or the folder exists.
        ZooError: if the files cannot be written.
    """
    folder, values = parent / name, _values(name, minimal)
    if folder.exists():
        raise ConfigError(f"{folder} already exists; choose another name, or another parent folder with --out.")
    files = {path.format(**values): _render(file, values) for path, file in (_MINIMAL if minimal else _WHOLE).items()}
    written = []
    try:
        for path, text in files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
            written.append(target)
    except OSError as error:
        raise ZooError(f"Cannot write {folder}: {error.strerror or error}. Choose another place with --out.") from None
    return written


def _values(name: str, minimal: bool) -> dict[str, str]:
    """Return the variables of the templates, derived from the name."""
    from zoo.version import __version__

    if not PLUGIN_NAME.fullmatch(name):
        raise ConfigError(f"A model name must be lower-case words joined by hyphens (a-z, 0-9), got {name!r}.")
    module = name.replace("-", "_")
    major, minor = __version__.split(".")[:2]
    return {
        "name": name,
        "module": module,
        "package": f"zoo_{module}",
        "cls": "".join(word.capitalize() for word in name.split("-")),
        "entry_point": f"zoo_{module}:" if minimal else f"zoo_{module}.plugin:",
        "core": f"genzoo>={major}.{minor},<{major}.{int(minor) + 1}",
        "minimal": "yes" if minimal else "",
    }


def _render(template: str, values: dict[str, str]) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("zoo.scaffold"),
        autoescape=False,  # the output is not HTML
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(template).render(values)
