"""Training: from a contestant, data and a seed to a `zoo.Model`."""

from zoo.amount import Amount
from zoo.training.budget import Budget, Progress, Step
from zoo.training.log import Report
from zoo.training.module import train_module, versions
from zoo.training.resume import Begun, resume
from zoo.training.saving import Saving, newest_state
from zoo.training.train import Resolved, create, fit_density, resolve, train

__all__ = [
    "Amount",
    "Begun",
    "Budget",
    "Progress",
    "Report",
    "Resolved",
    "Saving",
    "Step",
    "create",
    "fit_density",
    "newest_state",
    "resolve",
    "resume",
    "train",
    "train_module",
    "versions",
]
