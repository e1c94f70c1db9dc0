"""The shape of ``profiles/*.yaml``, checked when a file is read."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from stackplan.remote_schema import Fallbacks
from stackplan.units import parse_bytes, parse_tokens


def _positive_size(value: Any) -> int:
    size = _size(value)
    if size <= 0:
        raise ValueError("a size must be greater than 0")
    return size


def _size(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError("is not a size; write it like 20GiB, 500MiB or 1000000")
    size = parse_bytes(value)
    if not 0 <= size < 2**50:
        raise ValueError("a size must lie between 0 and 1 PiB")
    return size


def _tokens(value: Any) -> Any:
    return parse_tokens(value) if isinstance(value, str) else value


Size = Annotated[int, BeforeValidator(_size)]
PositiveSize = Annotated[int, BeforeValidator(_positive_size)]
ContextLimit = Annotated[int, BeforeValidator(_tokens), Field(ge=256, le=10**9, strict=True)]
Count = Annotated[int, Field(gt=0, le=4096, strict=True)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._\-]{0,63}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ReservationSchema(_Strict):
    """A named line that replaces the rule of the same name."""

    name: Annotated[str, Field(min_length=1, max_length=60)]
    size: Size
    note: str = ""


class CpuSchema(_Strict):
    """The processor."""

    model: Annotated[str, Field(min_length=1, max_length=120)] = "CPU"
    cores: Count | None = None
    threads: Count = 8
    instruction_sets: list[Name] = []
    numa_nodes: Count = 1


class RamSchema(_Strict):
    """Host memory; its bandwidth in 10^9 bytes per second, with where the number comes from."""

    capacity: PositiveSize
    bandwidth_gb_per_second: Rate | None = None
    source: str = ""
    reserved: list[ReservationSchema] = []


class DeviceSchema(_Strict):
    """``count`` devices of the hardware catalog, each with its own memory.

    ``memory`` replaces what the catalog says the driver reports; ``desktop`` is what a display takes.
    """

    device: Name
    count: Annotated[int, Field(gt=0, le=64, strict=True)] = 1
    memory: PositiveSize | None = None
    desktop: Size = 0
    reserved: list[ReservationSchema] = []


class DiskSchema(_Strict):
    """Where weights would be stored."""

    path: str = "."
    capacity: PositiveSize
    free: Size
    kind: str = "unknown"
    read_bytes_per_second: PositiveSize | None = None


class HostSchema(_Strict):
    """A declared machine."""

    os: Literal["linux", "windows", "darwin"] = "linux"
    machine: Literal["x86_64", "aarch64", "arm64"] = "x86_64"
    cpu: CpuSchema = CpuSchema()
    ram: RamSchema
    devices: list[DeviceSchema] = []
    disk: DiskSchema | None = None


class PolicySchema(_Strict):
    """How wishes are weighed; a field that is absent keeps the default of `stackplan.stack.Policy`."""

    id: Name | None = None
    quality_weight: Weight | None = None
    speed_weight: Weight | None = None
    context_weight: Weight | None = None
    tier_weight: Weight | None = None
    memory_weight: Weight | None = None
    commercial: bool | None = None
    allow_split: bool | None = None
    allow_partial_offload: bool | None = None
    headroom: Size | None = None
    forbid: list[str] | None = None
    engines: list[Name] | None = None
    kv_types: list[Name] | None = None
    vram_override: dict[str, PositiveSize] | None = None
    prompt_cache: Size | None = None
    partial: bool | None = None


class RuntimeSchema(_Strict):
    """How engines run on this machine; see `stackplan.runtime.Runtime`."""

    threads: Count | None = None
    batch_threads: Count | None = None
    numa: Literal["off", "distribute", "isolate", "numactl"] | None = None
    lock_memory: Annotated[bool, Field(strict=True)] = False
    map_files: Annotated[bool, Field(strict=True)] = True
    context_limit: ContextLimit | None = None


class ProfileFile(_Strict):
    """One profile: a host, the name of a stack, a policy, what runs it and what may stand in."""

    schema_: Annotated[Literal[1], Field(alias="schema")]
    title: Annotated[str, Field(max_length=200)] = ""
    host: HostSchema | None = None
    recorded: dict[str, Any] | None = None
    stack: Name = "everyday"
    policy: PolicySchema = PolicySchema()
    runtime: RuntimeSchema = RuntimeSchema()
    fallbacks: Fallbacks = []
