"""What a stack may say: pydantic shapes, strict and closed.

Numbers are numbers, unknown fields are mistakes, and every list and text is bounded.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from stackplan.remote_schema import Fallbacks
from stackplan.serving import KV_TYPES
from stackplan.units import parse_tokens

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,79}$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=2000)]
Points = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Figure = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]
Speed = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
Port = Annotated[int, Field(ge=1, le=65535)]
Slots = Annotated[int, Field(ge=1, le=256)]
Slope = Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Tier = Literal["hot", "warm", "cold"]
ArchitectureClass = Literal["encoder", "recurrent", "hybrid", "mixture-of-experts", "dense"]
Parameters = Annotated[int, Field(gt=0, le=10**14)]


def _tokens(value: Any) -> Any:
    """People write 32k; the rest of stackplan counts tokens."""
    return parse_tokens(value) if isinstance(value, str) else value


def _kv_type(value: str) -> str:
    if value not in KV_TYPES:
        raise ValueError(f"must be one of {', '.join(KV_TYPES)}")
    return value


Tokens = Annotated[int, BeforeValidator(_tokens), Field(ge=0, le=10**9)]
KvType = Annotated[str, BeforeValidator(_kv_type)]


class Record(BaseModel):
    """Closed and strict: no unknown field, no coercion of text to numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class RequestRecord(Record):
    """One role of a stack; see `stackplan.stack.RoleRequest`. What is not given is the role's own default."""

    role: Name
    priority: Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)] = 1.0
    required: bool = True
    tier: Tier | None = None
    context_floor: Tokens | None = None
    context_wish: Tokens | None = None
    speed_floor: Speed | None = None
    speed_wish: Speed | None = None
    count: Annotated[int, Field(ge=1, le=16)] = 1
    slots: Slots | None = None
    port: Port | None = None
    model: Name | None = None
    quantisation: Text | None = None
    engine: Name | None = None
    kv_type: KvType | None = None
    device: Text | None = None
    quality_floor: Points | None = None
    max_parameters: Parameters | None = None
    min_parameters: Parameters | None = None
    architecture_classes: list[ArchitectureClass] = []
    forbid: list[Text] = []
    active_experts: Annotated[int, Field(ge=1, le=1024)] | None = None

    @model_validator(mode="after")
    def _floors_below_wishes(self) -> Self:
        _ordered("context", self.context_floor, self.context_wish)
        _ordered("speed", self.speed_floor, self.speed_wish)
        return self


class StackFile(Record):
    """One file of ``profiles/stacks``."""

    title: Text
    source: str = ""
    gateway_port: Port = 4000
    roles: Annotated[list[RequestRecord], Field(min_length=1, max_length=64)]
    fallbacks: Fallbacks = []


def _ordered(what: str, floor: float | None, wish: float | None) -> None:
    if floor is not None and wish is not None and floor > wish:
        raise ValueError(f"the {what} floor {floor:g} is above the wish {wish:g}")
