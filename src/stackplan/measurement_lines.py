"""Measurements as JSON Lines, so that people can share them; whatever a file holds is checked line by line.

`stackplan schema measurement` prints what a line may hold. Nothing in a line names a person, a path or a serial number.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from stackplan.measurement import SCHEMA, Figure, Measurement, measurement_line
from stackplan.serving import KV_TYPES

LONGEST_LINE = 16_384
MOST_LINES = 100_000
_FASTEST = 1e8  # tokens per second; three orders above any machine of 2026
_LARGEST_BYTES = 1 << 50

_Name = Annotated[str, StringConstraints(min_length=1, max_length=300, pattern=r"^[^\x00-\x1f\x7f]+$")]
_Word = Annotated[str, StringConstraints(min_length=1, max_length=80, pattern=r"^[A-Za-z0-9][A-Za-z0-9._+:/@-]*$")]
_Rate = Annotated[float, Field(gt=0, le=_FASTEST, allow_inf_nan=False)]
_Count = Annotated[int, Field(ge=0, le=1 << 31)]
_Bytes = Annotated[int, Field(gt=0, le=_LARGEST_BYTES)]


class FigureRecord(BaseModel):
    """A figure over several repeats: tokens per second."""

    model_config = ConfigDict(extra="forbid", strict=True)

    median: _Rate
    low: _Rate
    high: _Rate

    @model_validator(mode="after")
    def _ordered(self) -> "FigureRecord":
        if not self.low <= self.median <= self.high:
            raise ValueError("low, median and high are not in order")
        return self


class MeasurementRecord(BaseModel):
    """One line: a running instance measured once."""

    model_config = ConfigDict(extra="forbid", strict=True)

    schema_version: Literal[1] = Field(alias="schema")
    machine: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
    devices: Annotated[list[_Name], Field(min_length=1, max_length=64)]
    engine: _Word
    engine_version: _Name
    artifact: _Name
    mode: Literal["chat", "embedding", "rerank"]
    context_tokens: _Count
    slots: Annotated[int, Field(ge=1, le=100_000)]
    kv_type: Annotated[str, Field(json_schema_extra={"enum": list(KV_TYPES)})]
    measured_at: Annotated[str, StringConstraints(pattern=r"^20\d\d-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\dZ$")]
    repeats: Annotated[int, Field(ge=1, le=10_000)]
    gpu_layers: _Count | None = None
    split: Annotated[list[Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]], Field(max_length=64)] = []
    cpu_expert_layers: _Count = 0
    draft: Annotated[str, StringConstraints(max_length=300, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""
    depth_tokens: _Count = 0
    decode: FigureRecord | None = None
    prompt: FigureRecord | None = None
    load_seconds: Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)] | None = None
    host_peak_bytes: _Bytes | None = None
    device_peak_bytes: _Bytes | None = None

    @model_validator(mode="after")
    def _sound(self) -> "MeasurementRecord":
        if self.kv_type not in KV_TYPES:
            raise ValueError(f"kv_type is none of {', '.join(KV_TYPES)}")
        if (self.decode if self.mode == "chat" else self.prompt) is None:
            raise ValueError("chat needs decode, embedding and rerank need prompt")
        return self


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is no measurement, by its number, and why."""

    number: int
    reason: str


def read_lines(lines: Iterable[bytes]) -> Iterator[Measurement | BadLine]:
    """A measurement or a reason per line; empty lines are passed over, nothing is read beyond `MOST_LINES`."""
    for number, line in enumerate(lines, 1):
        if number > MOST_LINES:
            yield BadLine(number, f"more than {MOST_LINES} lines; the rest was not read")
            return
        if line.strip():
            yield _read_line(number, line)


def read_measurement(line: bytes | str) -> Measurement:
    """The measurement of one line. Raises ValueError with one line of reason."""
    if len(line) > LONGEST_LINE:
        raise ValueError(f"longer than {LONGEST_LINE} bytes")
    try:
        return _measurement(MeasurementRecord.model_validate(json.loads(line, parse_constant=_no_constant)))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])[:80]
        raise ValueError(": ".join(part for part in (place, first["msg"][:160]) if part)) from error
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def lines_of(measurements: Iterable[Measurement]) -> str:
    """Measurements as JSON Lines, sorted, the same bytes for the same set."""
    return "".join(f"{line}\n" for line in sorted({measurement_line(one) for one in measurements}))


def measurement_schema() -> dict[str, Any]:
    """JSON schema of one line."""
    return MeasurementRecord.model_json_schema()


def _read_line(number: int, line: bytes) -> Measurement | BadLine:
    try:
        return read_measurement(line)
    except ValueError as error:  # UnicodeDecodeError and JSONDecodeError are of its family
        return BadLine(number, " ".join(str(error).split())[:240])


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no figure")


def _measurement(record: MeasurementRecord) -> Measurement:
    fields = record.model_dump(exclude={"schema_version", "decode", "prompt"})
    return Measurement(
        **{**fields, "devices": tuple(record.devices), "split": tuple(record.split)},
        decode=_figure(record.decode),
        prompt=_figure(record.prompt),
    )


def _figure(record: FigureRecord | None) -> Figure | None:
    return None if record is None else Figure(record.median, record.low, record.high)


assert SCHEMA == 1  # noqa: S101  (the Literal above says the same)
