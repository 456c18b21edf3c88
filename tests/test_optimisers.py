"""Optimisers without torch's compiler: torch's own steps, to the bit, and no import of it."""

import subprocess
import sys

import pytest
import torch

import zoo

KINDS = {
    torch.optim.SGD: {"momentum": 0.9, "weight_decay": 0.01},
    torch.optim.Adam: {"betas": (0.5, 0.9)},
    torch.optim.AdamW: {"fused": True},
}

# The paths of a default comparison that need derivatives.
USES = """
import sys
import torch
import zoo
from zoo.builtin.features.classifier import feature_network, train_features
from zoo.builtin.metrics.class_conditional import classify

data = zoo.load_data("digits")
small = zoo.Data.from_arrays(data.train[:60], data.train_labels[:60], name="small")
train_features(feature_network((8, 8)), small, small.train_labels, small.valid_labels)
classify(small.train, small.train_labels, small.test)
model = zoo.train("ae@gmm", data=small, steps=2, hidden=[4], latent_dim=2)
model.log_prob((small.test > 0.5).float(), seed=0)
print([name for name in ("sympy", "torch._dynamo", "torch._inductor") if name in sys.modules])
"""


def trained(kind, settings):
    x = torch.tensor([[1.0, -2.0], [0.5, 3.0]], requires_grad=True)
    optimiser = kind([x], lr=0.1, **settings)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.0, total_iters=5)
    for _ in range(5):
        optimiser.zero_grad()
        (x**4).sum().backward()
        optimiser.step()
        schedule.step()
    return x.detach(), optimiser.state_dict()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_steps_and_state_are_those_of_torch(kind):
    (x, state), (expected, its_state) = trained(zoo.without_compiler(kind), KINDS[kind]), trained(kind, KINDS[kind])
    assert torch.equal(x, expected)
    assert str(state) == str(its_state)


def test_nothing_that_needs_derivatives_imports_a_compiler():
    done = subprocess.run([sys.executable, "-c", USES], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
