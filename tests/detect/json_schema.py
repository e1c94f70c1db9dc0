"""As much of JSON Schema 2020-12 as a host's schema uses; any other keyword is an error."""

from collections.abc import Iterator
from typing import Any

TYPES = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool}
TYPES["null"] = type(None)
UNREAD = {"$schema", "$defs", "title", "description", "default"}


def mistakes(value: Any, schema: dict[str, Any], whole: dict[str, Any] | None = None, place: str = "") -> Iterator[str]:
    """Every place where ``value`` is not what ``schema`` says."""
    whole = whole or schema
    for keyword, wanted in schema.items():
        yield from () if keyword in UNREAD else KEYWORDS[keyword](value, wanted, whole, place, schema)


def _type(value: Any, wanted: str, _: Any, place: str, __: Any) -> Iterator[str]:
    is_flag = isinstance(value, bool) and wanted != "boolean"
    if is_flag or not isinstance(value, TYPES[wanted]):
        yield f"{place} is no {wanted}"


def _reference(value: Any, wanted: str, whole: Any, place: str, _: Any) -> Iterator[str]:
    yield from mistakes(value, whole["$defs"][wanted.removeprefix("#/$defs/")], whole, place)


def _any_of(value: Any, wanted: list[Any], whole: Any, place: str, _: Any) -> Iterator[str]:
    if all(any(mistakes(value, one, whole, place)) for one in wanted):
        yield f"{place} fits nothing of {wanted}"


def _properties(value: Any, wanted: dict[str, Any], whole: Any, place: str, _: Any) -> Iterator[str]:
    for name in value.keys() & wanted.keys() if isinstance(value, dict) else ():
        yield from mistakes(value[name], wanted[name], whole, f"{place}.{name}")


def _required(value: Any, wanted: list[str], _: Any, place: str, __: Any) -> Iterator[str]:
    yield from (f"{place}.{name} is missing" for name in wanted if isinstance(value, dict) and name not in value)


def _additional(value: Any, wanted: bool, _: Any, place: str, schema: dict[str, Any]) -> Iterator[str]:
    known = schema.get("properties", {})
    if isinstance(value, dict) and wanted is False:
        yield from (f"{place}.{name} is unknown" for name in value if name not in known)


def _items(value: Any, wanted: dict[str, Any], whole: Any, place: str, _: Any) -> Iterator[str]:
    for number, inner in enumerate(value if isinstance(value, list) else ()):
        yield from mistakes(inner, wanted, whole, f"{place}.{number}")


def _enum(value: Any, wanted: list[Any], _: Any, place: str, __: Any) -> Iterator[str]:
    if value not in wanted:
        yield f"{place} is none of {wanted}"


def _const(value: Any, wanted: Any, _: Any, place: str, __: Any) -> Iterator[str]:
    if value != wanted:
        yield f"{place} is not {wanted}"


KEYWORDS = {
    "type": _type,
    "$ref": _reference,
    "anyOf": _any_of,
    "properties": _properties,
    "required": _required,
    "additionalProperties": _additional,
    "items": _items,
    "enum": _enum,
    "const": _const,
}
