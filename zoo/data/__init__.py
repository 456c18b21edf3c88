"""Data sets: split once by a fixed seed, hashed, and the same for every contestant."""

from zoo.data.dataset import SPLIT_SEED, Data
from zoo.data.load import load_data
from zoo.data.spec import DataSpec

__all__ = ["SPLIT_SEED", "Data", "DataSpec", "load_data"]
