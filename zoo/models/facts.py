"""Schema of a model file's metadata. The hash of the file detects corruption; it does not authenticate."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from zoo.contract.data_spec import DataSpec
from zoo.errors import CheckpointError

Side = Annotated[int, Field(gt=0)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow", protected_namespaces=())


class Origin(_Part):
    """The plugin that wrote a part of the file."""

    name: str
    distribution: str
    version: str


class Fitted(Origin):
    """A latent density's plugin, the shape of one code, and whether there is one density for each class."""

    latent: list[Side]
    per_class: bool = False


class Spec(_Part):
    """Shape and support of one example, and the shares of the classes for a conditional model."""

    shape: Annotated[list[Side], Field(min_length=1)]
    support: Literal["bits", "unit", "real"]
    class_shares: list[float] = []

    @model_validator(mode="after")
    def _is_a_spec(self) -> Self:
        self.to_spec()
        return self

    def to_spec(self) -> DataSpec:
        """Return the `DataSpec`."""
        return DataSpec(tuple(self.shape), self.support, tuple(self.class_shares))


class Facts(_Part):
    """The metadata of a model file."""

    plugin: Origin
    config: dict[str, Any]
    options: dict[str, Any]
    spec: Spec
    density: Fitted | None
    columns: list[str]
    table: list[dict[str, Any]] = []
    protocol: dict[str, Any]


def check_model_facts(facts: Any, file: object) -> Facts:
    """Return the metadata of a model file after checking them.

    Raises:
        CheckpointError: with the first invalid field.
    """
    try:
        return Facts.model_validate(facts)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise CheckpointError(f"{file} is not a valid model file: {place}: {first['msg']}.") from None
