"""The extension `ridge`: adds λ ‖θ‖² to the loss of every model that has one.

An extension wraps a hook: `yield` returns the answer of the model, and the wrapper's return value replaces it. It is
active while it is installed; results list it, and `zoo --no-extensions` disables it.
"""

from __future__ import annotations

from collections.abc import Generator

from torch import Tensor, nn

import zoo

STRENGTH = 1e-4  # λ


class Ridge:
    """L2 penalty on the parameters of every model."""

    card = zoo.ExtensionCard(name="ridge", summary="extension that adds 0.0001 ‖θ‖² to the loss of every model")

    @zoo.hookimpl(wrapper=True)
    def loss(self, model: nn.Module) -> Generator[None, dict[str, Tensor], dict[str, Tensor]]:
        """Return the model's losses with the penalty added to `loss`, and logged as `ridge`."""
        losses = yield
        penalty = STRENGTH * sum(p.square().sum() for p in model.parameters() if p.requires_grad)
        return losses | {"loss": losses["loss"] + penalty, "ridge": penalty}
