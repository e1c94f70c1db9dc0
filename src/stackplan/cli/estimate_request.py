"""One question of ``stackplan estimate``, from its options or from a line of ``--batch``."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

from stackplan.errors import UserError

_LONGEST_LINE = 100_000  # characters of one line of --batch


@dataclass(frozen=True, slots=True)
class Request:
    """One question; field for field the options of the verb and the keys of a ``--batch`` line."""

    source: str
    quant: str = ""
    context: int = 0
    kv: str = "f16"
    parallel: int = 1
    kv_unified: bool = False
    ubatch: int = 512
    flash_attn: str = "auto"
    gpu_layers: str = "all"
    n_cpu_moe: int = 0
    devices: str = ""
    engine: str = "llama.cpp"
    draft: str = ""
    draft_tokens: int = 0


def lines_of(source: str) -> Iterator[str]:
    """The lines of a file, or of stdin for ``-``, that are not blank. Raises UserError."""
    if source == "-":
        yield from (line for line in sys.stdin if line.strip())
        return
    try:
        with Path(source).open(encoding="utf-8") as file:
            yield from (line for line in file if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{source}: {error}", hint="give a file of JSON Lines, or -", slug="batch-unreadable"
        ) from error


def request_of(line: str) -> Request:
    """A line's request. Raises UserError for anything that is not one."""
    try:
        data = json.loads(line) if len(line) <= _LONGEST_LINE else None
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict) or not isinstance(data.get("source"), str):
        raise UserError(
            "not a JSON object with a source", hint='{"source": "qwen3-8b", "context": 8192}', slug="bad-line"
        )
    known = {field.name: field.default for field in fields(Request)}
    for key, value in data.items():
        if key not in known:
            raise UserError(f"unknown argument {key[:40]!r}", hint=f"choose of {', '.join(known)}", slug="bad-line")
        if key == "gpu_layers" and type(value) is int:
            continue
        if key != "source" and type(value) is not type(known[key]):
            raise bad(key, f"like {json.dumps(known[key])}")
    return Request(**{**data, "gpu_layers": str(data.get("gpu_layers", "all"))})


def bad(name: str, wanted: str) -> UserError:
    """An argument that is not what it must be."""
    return UserError(f"{name} is not {wanted}", hint="see `stackplan estimate --help`", slug="bad-argument")
