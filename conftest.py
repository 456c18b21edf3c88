"""Before anything imports torch, one thread per process, as the files run on all cores; the longest files first."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from zoo.runtime.threads import ENVIRONMENT

if TYPE_CHECKING:
    import pytest

os.environ.update(ENVIRONMENT)

LONGEST = (
    "test_full_comparison",
    "test_comparison",
    "test_going_on",
    "test_install",
    "test_third_party",
    "test_old_files",
    "test_new",
    "test_rbm_conformance",
    "test_check",
    "test_ae_conformance",
    "test_vae_conformance",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the longest files first, so that at the end no process is left alone with one."""
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(place)))
