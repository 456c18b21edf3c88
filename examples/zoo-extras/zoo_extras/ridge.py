"""The extension `ridge`: λ ‖θ‖² is added to the loss of every model that has one.

An extension wraps a hook: `yield` lets the model answer, and what the wrapper returns takes the answer's place. It is
active for as long as it is installed; results name it, and `zoo --no-extensions` leaves it out.
"""

from __future__ import annotations

from collections.abc import Generator

from torch import Tensor, nn

import zoo

STRENGTH = 1e-4  # λ


class Ridge:
    """Keeps weights small, whatever the model."""

    card = zoo.ExtensionCard(name="ridge", summary="adds 0.0001 ‖θ‖² to every model's loss")

    @zoo.hookimpl(wrapper=True)
    def loss(self, model: nn.Module) -> Generator[None, dict[str, Tensor], dict[str, Tensor]]:
        """Return the model's own answer with the penalty in its loss, and logged beside it."""
        losses = yield
        penalty = STRENGTH * sum(p.square().sum() for p in model.parameters() if p.requires_grad)
        return losses | {"loss": losses["loss"] + penalty, "ridge": penalty}
