"""`digits`: 1,797 handwritten digits, 8×8 grayscale, shipped with scikit-learn; needs no download."""

from __future__ import annotations

import zoo


class Digits:
    """The data set plugin `digits`."""

    card = zoo.DatasetCard(
        name="digits",
        summary="1,797 real handwritten digits, 8x8 grayscale, 10 classes (ships with scikit-learn)",
        licence="CC BY 4.0 (UCI Optical Recognition of Handwritten Digits)",
    )

    @zoo.hookimpl
    def load(self, argument: str) -> zoo.Data:
        """Return the digits, split 899/180/718, divided by their maximum, 16."""
        from sklearn.datasets import load_digits

        if argument:
            raise zoo.ConfigError(f"digits takes no argument, got {argument!r}.")
        bunch = load_digits()
        return zoo.Data.from_arrays(bunch.images / 16.0, bunch.target, name="digits", support="unit", epochs=100)
