"""The figures of the table: what a metric is given, what it answers, and the mathematics on plain tensors.

The built-in metrics are registered as anybody else's, in the entry-point group `zoo.metrics`.
"""

from zoo.metrics.evaluation import Evaluation, Measurement
from zoo.metrics.features import FeatureSpace, feature_space
from zoo.metrics.frechet import frechet_distance, frechet_from_moments
from zoo.metrics.reference import Reference, reference_split

__all__ = [
    "Evaluation",
    "FeatureSpace",
    "Measurement",
    "Reference",
    "feature_space",
    "frechet_distance",
    "frechet_from_moments",
    "reference_split",
]
