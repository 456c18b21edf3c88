#!/usr/bin/env bash
# pluggy 1.7.0, Python 3.11
#
# pluggy tells plugins apart by ==, not by identity. Two instances of one dataclass with the same fields are one
# plugin to it: the second cannot be registered under another name, `is_registered` and `get_name` speak for an
# instance that was never registered, and a plugin whose field is set to the value of another one can no longer be
# unregistered. A dataclass that holds settings is the natural form of a plugin here, and equality comes with it
# unasked.
#
# Guessed: identity, since the documentation speaks of plugin objects and names.
#
# Output seen:
#     second instance with other settings: registered
#     second instance with equal settings: ValueError
#     an equal instance that was never registered: is_registered True, get_name one
#     after a field was set to that of another plugin, unregister: ValueError
#     the same with eq=False: registered
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
python3 -m venv venv
venv/bin/python -m pip install -qq --no-compile --disable-pip-version-check \
  pluggy==1.7.0
venv/bin/python - <<'PYTHON'
import dataclasses

import pluggy

spec, impl = pluggy.HookspecMarker("demo"), pluggy.HookimplMarker("demo")


class Hooks:
    @spec
    def rate(self): ...


def manager():
    made = pluggy.PluginManager("demo")
    made.add_hookspecs(Hooks)
    return made


def outcome(action, *arguments, **options):
    try:
        action(*arguments, **options)
    except ValueError:
        return "ValueError"
    return "registered"


def plugin(**options):
    @dataclasses.dataclass(**options)
    class Plugin:
        lr: float

        @impl
        def rate(self):
            return self.lr

    return Plugin


Plugin, Distinct = plugin(), plugin(eq=False)
pm = manager()
pm.register(Plugin(0.1), "one")
changed = Plugin(0.2)
other, equal = outcome(pm.register, changed, "two"), outcome(pm.register, Plugin(0.1), "three")
print("second instance with other settings:", other)
print("second instance with equal settings:", equal)
known, name = pm.is_registered(Plugin(0.1)), pm.get_name(Plugin(0.1))
print(f"an equal instance that was never registered: is_registered {known}, get_name {name}")
changed.lr = 0.1
gone = outcome(pm.unregister, changed)
print("after a field was set to that of another plugin, unregister:", gone)
pm = manager()
pm.register(Distinct(0.1), "one")
distinct = outcome(pm.register, Distinct(0.1), "two")
print("the same with eq=False:", distinct)
assert (other, equal, known, name) == ("registered", "ValueError", True, "one")
assert gone == "ValueError" and distinct == "registered" and pm.hook.rate() == [0.1, 0.1]
PYTHON
