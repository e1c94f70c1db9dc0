"""A `Host` as JSON and back, strictly: for ``detect --json``, saved profiles and ``--host FILE``."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from stackplan.errors import UserError
from stackplan.hardware import Host

SCHEMA_VERSION = 1
_LARGEST = 2**53


def host_to_json(host: Host) -> dict[str, Any]:
    """Plain data of ``host``; integers in bytes, each pool with its budget; an unknown capacity is null."""
    data: dict[str, Any] = _plain({"schema": SCHEMA_VERSION, **asdict(host)})
    for row, pool in zip(data["pools"], host.pools, strict=True):
        row["capacity_bytes"] = None if pool.unknown else pool.capacity_bytes
        row["budget_bytes"] = None if pool.unknown else pool.budget_bytes
    return data


def host_from_json(data: Any) -> Host:
    """The host that ``data`` describes. Raises UserError that names the field of the first mistake."""
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415  (pydantic)

    if not isinstance(data, dict) or data.get("schema") != SCHEMA_VERSION:
        raise _mistake("schema", f"must be {SCHEMA_VERSION}")
    rows = _with_known_capacity({key: value for key, value in data.items() if key != "schema"})
    try:
        host = TypeAdapter(Host).validate_python(rows)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise _mistake(".".join(map(str, first["loc"])), first["msg"]) from None
    except RecursionError:
        raise _mistake("host", "is nested too deeply") from None
    for field in _unknown_fields(data, host_to_json(host)):
        raise _mistake(field, "unknown field")
    for field, problem in _inconsistencies(host):
        raise _mistake(field, problem)
    return host


def host_schema() -> dict[str, Any]:
    """The JSON schema of what `host_to_json` writes."""
    from pydantic import TypeAdapter  # noqa: PLC0415  (pydantic)

    schema = TypeAdapter(Host).json_schema()
    schema["properties"] = {"schema": {"const": SCHEMA_VERSION}, **schema["properties"]}
    pool = schema["$defs"]["Pool"]["properties"]
    pool["capacity_bytes"] = {"anyOf": [{"type": "integer"}, {"type": "null"}], "title": "Capacity Bytes"}
    pool["budget_bytes"] = {"anyOf": [{"type": "integer"}, {"type": "null"}], "title": "Budget Bytes"}
    schema["required"] = ["schema", *schema["required"]]
    schema["$defs"]["Pool"]["required"].append("budget_bytes")
    for record in (schema, *schema["$defs"].values()):
        if record.get("type") == "object":
            record["additionalProperties"] = False
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return str(value) if isinstance(value, str) else value


def _with_known_capacity(rows: dict[str, Any]) -> dict[str, Any]:
    """``rows`` with the derived budget left out and null written as the 0 that `Pool` holds for unknown."""
    pools = rows.get("pools")
    if not isinstance(pools, list):
        return rows
    copies = [dict(pool) if isinstance(pool, dict) else pool for pool in pools]
    for pool in copies:
        if isinstance(pool, dict):
            pool.pop("budget_bytes", None)
            if pool.get("unknown") and pool.get("capacity_bytes") is None:
                pool["capacity_bytes"] = 0
    return {**rows, "pools": copies}


def _unknown_fields(given: Any, known: Any, place: str = "") -> Iterator[str]:
    if isinstance(given, dict) and isinstance(known, dict):
        for key, value in given.items():
            if key not in known:
                yield f"{place}{key}"
            else:
                yield from _unknown_fields(value, known[key], f"{place}{key}.")
    elif isinstance(given, list) and isinstance(known, list):
        for number, (inner, other) in enumerate(zip(given, known, strict=False)):
            yield from _unknown_fields(inner, other, f"{place}{number}.")


def _inconsistencies(host: Host) -> Iterator[tuple[str, str]]:
    """What the shape allows but no machine is like."""
    pools = [pool.id for pool in host.pools]
    if len(set(pools)) < len(pools):
        yield "pools", "two pools have one id"
    if len({device.id for device in host.devices}) < len(host.devices):
        yield "devices", "two devices have one id"
    if sum(device.is_cpu for device in host.devices) != 1:
        yield "devices", "exactly one device must be the CPU"
    for device in host.devices:
        if device.pool not in pools:
            yield f"devices.{device.id}.pool", f"there is no pool {device.pool!r}"
    for pool in host.pools:
        if not pool.unknown and not 0 < pool.capacity_bytes <= _LARGEST:
            yield f"pools.{pool.id}.capacity_bytes", "must be greater than 0"
        if any(not 0 <= line.bytes <= _LARGEST for line in pool.reserved):
            yield f"pools.{pool.id}.reserved", "a reservation cannot be negative"
    if host.cpu.usable_threads < 1:
        yield "cpu.usable_threads", "must be at least 1"


def _mistake(field: str, problem: str) -> UserError:
    return UserError(
        f"host: {field}: {problem}", hint="write a sound one with `stackplan detect --json`", slug="bad-host"
    )
