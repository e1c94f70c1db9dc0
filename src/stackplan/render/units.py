"""The text of systemd's unit files: sections of repeated keys, every value quoted by its own rules."""

from stackplan.render.documents import HEADER
from stackplan.render.templates import one_line

Section = tuple[str, list[tuple[str, str]]]


def to_unit(*sections: Section) -> str:
    """A unit file. Values are written as they are: quote words before."""
    lines = [f"# {HEADER}"]
    for name, entries in sections:
        lines += ["", f"[{name}]", *(f"{key}={one_line(value)}" for key, value in entries)]
    return "\n".join(lines) + "\n"


def word(text: str) -> str:
    """``text`` as one word of a command line, with nothing expanded."""
    return _quoted(text.replace("$", "$$"))


def assignment(name: str, value: str) -> str:
    """``NAME=value`` for ``Environment=``, where a dollar sign has no meaning."""
    return _quoted(f"{name}={value}")


def _quoted(text: str) -> str:
    escaped = one_line(text).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    plain = all(letter.isalnum() or letter in "-_./:=,+@%$" for letter in escaped)
    return escaped if plain and escaped else f'"{escaped}"'
