"""A plan asked for in plain words, read without typer.

typer brings pydantic: 0.13 s of a plan's 1.1 s (two busy cores, 2026-11). So words that leave no doubt are read here:
a profile, and options of `world.Asked` in full, each followed by its value. Everything else, help and mistakes
included, is typer's to read and to tell.
"""

from collections.abc import Iterator, Sequence
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

from stackplan.cli.world import Asked, asked_from, option_of

_JSON = "--json"


def plain_plan(words: Sequence[str]) -> tuple[Asked, bool] | None:
    """What ``stackplan plan WORDS`` asks and whether it wants JSON; None where typer must decide."""
    if not all(word.isprintable() and word for word in words):
        return None
    given: dict[str, Any] = {}
    for name, value in _pairs(words):
        if isinstance(value, list):
            given[name] = [*given.get(name, []), *value]
        elif value is None or name in given:
            return None
        else:
            given[name] = value
    as_json = given.pop(_JSON, False)
    return asked_from(given), as_json


def _pairs(words: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """What is said of which field of `Asked`; None where a word is in doubt."""
    ahead = iter(words)
    for word in ahead:
        field = _OPTIONS.get(word)
        if field is not None:
            yield field.name, True if field.type is bool else _value(field, next(ahead, "-"))
        elif word == _JSON:
            yield word, True
        else:
            yield "profile", None if word.startswith("-") else word


def _value(field: Field[Any], text: str) -> Any:
    if text.startswith("-"):
        return None
    if field.default == ():
        return [text]
    return Path(text) if field.type == Path | None else text


_OPTIONS = {option_of(field.name): field for field in fields(Asked)[1:]}
