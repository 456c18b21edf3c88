"""Training: from a contestant, data and a seed to a `zoo.Model`."""

from zoo.amount import Amount
from zoo.training.budget import Budget, Progress, Step
from zoo.training.log import Report
from zoo.training.train import Resolved, create, fit_density, resolve, train, train_module, versions

__all__ = [
    "Amount",
    "Budget",
    "Progress",
    "Report",
    "Resolved",
    "Step",
    "create",
    "fit_density",
    "resolve",
    "train",
    "train_module",
    "versions",
]
