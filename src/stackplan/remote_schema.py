"""What ``fallbacks:`` of a stack or a profile may say, checked when the file is read."""

from ipaddress import ip_address
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

Cost = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
Budget = Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]
ModelName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+@:-]*(/[A-Za-z0-9][A-Za-z0-9._+@:-]*)*$", max_length=200)
]
_LOCAL_NAMES = ("localhost",)

RoleName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,79}$")]


def _address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("must be an address like https://api.example.com/v1")
    if parts.username or parts.password:
        raise ValueError("must not hold a user or a key; name the key's variable in key_variable")
    if parts.scheme == "http" and not _private(parts.hostname):
        raise ValueError("must be https: the key would travel in the clear")
    return url


def _private(host: str) -> bool:
    try:
        return ip_address(host).is_private
    except ValueError:
        return host in _LOCAL_NAMES


Address = Annotated[
    str,
    StringConstraints(pattern=r"^https?://[A-Za-z0-9][A-Za-z0-9.-]*(:\d{1,5})?(/[A-Za-z0-9._~-]+)*/?$", max_length=200),
    AfterValidator(_address),
]


class FallbackRecord(BaseModel):
    """One remote endpoint; see `stackplan.remote.RemoteEndpoint`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
    model: ModelName
    url: Address
    key_variable: Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]{0,79}$")]
    price_class: Annotated[Literal["affordable", "premium"], Field(alias="class")] = "affordable"
    roles: Annotated[list[RoleName], Field(max_length=64)] = []
    input_cost_per_million: Cost | None = None
    output_cost_per_million: Cost | None = None
    monthly_budget: Budget | None = None
    timeout_seconds: Annotated[int, Field(ge=1, le=3600)] = 60

    @model_validator(mode="after")
    def _budget_needs_a_price(self) -> Self:
        if self.name == "local":
            raise ValueError("'local' is the name of the local model; choose another")
        if self.monthly_budget is not None and None in (self.input_cost_per_million, self.output_cost_per_million):
            raise ValueError(
                "a monthly_budget needs input_cost_per_million and output_cost_per_million to count against"
            )
        return self


def names_once(records: list[FallbackRecord]) -> list[FallbackRecord]:
    """``records``, whose names must differ: gateways keep them apart by name."""
    names = [record.name for record in records]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two fallbacks are called {name!r}")
    return records


Fallbacks = Annotated[list[FallbackRecord], Field(max_length=16), AfterValidator(names_once)]
