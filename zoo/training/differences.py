"""Differences between the conditions of a run and those under which it is resumed. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return the differences between two nested mappings of plain values, one clause each."""
    before, after = flat(then), flat(now)
    return [
        f"{key} {before.get(key, 'absent')} then, {after.get(key, 'absent')} now"
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    ]


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """`{"versions": {"torch": "2.6"}}` as `{"versions.torch": "2.6"}`, each value as text."""
    found: dict[str, str] = {}
    for key, value in values.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": _text(value)}
    return found


def _text(value: Any) -> str:
    """Return a value as JSON would give it back: a tuple is a list."""
    return str(list(value) if isinstance(value, tuple) else value)
