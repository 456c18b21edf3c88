"""The names of plugins, without importing pydantic."""

from __future__ import annotations

import re

#: lower-case words joined by hyphens, for example `my-model`
PLUGIN_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
