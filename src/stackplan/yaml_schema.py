"""Check a YAML document against a pydantic schema; the first mistake names file, line and field."""

from typing import TYPE_CHECKING, TypeVar

from stackplan.errors import UserError
from stackplan.strict_yaml import Document

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

Schema = TypeVar("Schema", bound="BaseModel")

_WORDS = {"extra_forbidden": "unknown field", "missing": "is missing", "model_type": "must be fields with values"}


def checked(document: Document, schema: type[Schema], hint: str) -> Schema:
    """``document`` as ``schema``. Raises UserError with file, line and field of the first mistake."""
    from pydantic import ValidationError  # noqa: PLC0415  (60 ms that a start without YAML does not need)

    try:
        return schema.model_validate(document.data)
    except ValidationError as problem:
        raise _first_mistake(document, problem, hint) from None


def _first_mistake(document: Document, problem: "ValidationError", hint: str) -> UserError:
    mistakes = problem.errors(include_url=False, include_context=False, include_input=False)
    first = min(mistakes, key=lambda mistake: document.line(mistake["loc"]))
    more = f" (and {len(mistakes) - 1} more)" if len(mistakes) > 1 else ""
    words = _WORDS.get(first["type"], first["msg"].removeprefix("Value error, "))
    return document.error(first["loc"], f"{words}{more}", hint=hint)
