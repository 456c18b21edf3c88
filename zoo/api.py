"""The default registry behind `zoo.list_models()`, `zoo.train()` and the others."""

from __future__ import annotations

from zoo.registry import Registry

default = Registry()

list_models = default.list_models
info = default.info
create = default.create
train = default.train
resume = default.resume
load = default.load
compare = default.compare
evaluate = default.evaluate
register = default.register
refresh = default.refresh
