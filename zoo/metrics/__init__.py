"""The figures of the table: what a metric is given, what it answers, and the mathematics on plain tensors.

The built-in metrics are registered as anybody else's, in the entry-point group `zoo.metrics`.
"""

from zoo.metrics.adversarial import AdversarialAccuracy, adversarial_accuracy
from zoo.metrics.authenticity import authenticity
from zoo.metrics.distances import neighbour_distances
from zoo.metrics.evaluation import Evaluation, Measurement
from zoo.metrics.features import FeatureSpace, feature_space
from zoo.metrics.frechet import frechet_distance, frechet_from_moments
from zoo.metrics.kernel import kernel_distance
from zoo.metrics.manifold import DensityCoverage, PrecisionRecall, density_coverage, precision_recall
from zoo.metrics.reference import Reference, halving, reference_split
from zoo.metrics.two_sample import TwoSampleTest, c2st
from zoo.metrics.vendi import vendi, vendi_from_kernel

__all__ = [
    "AdversarialAccuracy",
    "DensityCoverage",
    "Evaluation",
    "FeatureSpace",
    "Measurement",
    "PrecisionRecall",
    "Reference",
    "TwoSampleTest",
    "adversarial_accuracy",
    "authenticity",
    "c2st",
    "density_coverage",
    "feature_space",
    "frechet_distance",
    "frechet_from_moments",
    "halving",
    "kernel_distance",
    "neighbour_distances",
    "precision_recall",
    "reference_split",
    "vendi",
    "vendi_from_kernel",
]
