"""`Measurements`: what is measured of one contestant in one cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict

from zoo.results.schema import Measured


class Measurements(BaseModel):
    """Metrics, costs and diagnostics of one contestant and seed, or why there are none; what is not set is absent."""

    model_config = ConfigDict(strict=True, frozen=True)

    metrics: Mapping[str, Measured] = {}
    sample_seconds_per_1000: float | None = None
    diagnostics: Mapping[str, bool | int | float | str | Sequence[float]] = {}
    failed: str = ""
    exit_code: int | None = None

    @property
    def has_failed(self) -> bool:
        """Whether there are no measurements."""
        return "failed" in self.model_fields_set
