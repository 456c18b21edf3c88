"""What must stand in a model file beside its tensors: its hash shows damage, and not who wrote it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from zoo.errors import CheckpointError

Side = Annotated[int, Field(gt=0)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow", protected_namespaces=())


class Origin(_Part):
    """Which plugin."""

    name: str
    distribution: str
    version: str


class Fitted(Origin):
    """A latent density, and the shape of the codes that it was fitted to."""

    latent: list[Side]


class Spec(_Part):
    """Shape and support of one example."""

    shape: Annotated[list[Side], Field(min_length=1)]
    support: Literal["bits", "unit", "real"]


class Facts(_Part):
    """The plain values of a model file."""

    plugin: Origin
    config: dict[str, Any]
    options: dict[str, Any]
    spec: Spec
    density: Fitted | None
    columns: list[str]
    protocol: dict[str, Any]


def check_model_facts(facts: Any, file: object) -> None:
    """Refuse plain values that are not those of a model.

    Raises:
        CheckpointError: with the first place that is wrong.
    """
    try:
        Facts.model_validate(facts)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise CheckpointError(f"{file} is no model file: {'.'.join(map(str, first['loc']))}: {first['msg']}.") from None
