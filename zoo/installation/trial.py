"""`python -m zoo.installation.trial DISTRIBUTION`: load its plugins and print their states as JSON.

It runs in a fresh process after an installation, because importing a plugin runs its code.
"""

from __future__ import annotations

import contextlib
import json
import sys

from packaging.utils import canonicalize_name

from zoo.errors import PluginError
from zoo.plugins.plugin import discover


def trial(distribution: str) -> list[dict[str, str]]:
    """Load each plugin of a distribution; return its name, group, state and reason."""
    rows = []
    for group, candidates in discover().items():
        for candidate in candidates:
            if canonicalize_name(candidate.distribution) == canonicalize_name(distribution):
                with contextlib.suppress(PluginError):
                    candidate.load()
                rows.append(
                    {"name": candidate.name, "group": group, "state": candidate.state, "reason": candidate.reason}
                )
    return rows


if __name__ == "__main__":
    print("\n" + json.dumps(trial(sys.argv[1])))
