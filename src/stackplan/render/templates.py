"""Text that no serialiser writes: scripts and units from the bundled ``templates/``, with strict quoting filters.

Templates are part of the program (they ship with it and never change during a run): reading one is still pure.
An undefined name in a template is an error, and a line break never passes a quoting filter.
"""

import shlex
from functools import cache
from typing import TYPE_CHECKING, Any

from stackplan.bundled import bundled_folder

if TYPE_CHECKING:
    from jinja2.sandbox import SandboxedEnvironment


def render_template(name: str, **values: Any) -> str:
    """The bundled template ``templates/NAME`` filled with ``values``."""
    return environment().get_template(name).render(**values)


@cache
def environment() -> "SandboxedEnvironment":
    """The bundled templates' environment."""
    from jinja2 import FileSystemLoader  # noqa: PLC0415  (72 ms that planning does not need)

    return sandbox(FileSystemLoader(bundled_folder("templates")))


def sandbox(loader: Any) -> "SandboxedEnvironment":
    """An environment in which templates see values only, undefined names fail, and quoting is one filter away."""
    from jinja2 import StrictUndefined  # noqa: PLC0415
    from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: PLC0415

    made = ImmutableSandboxedEnvironment(
        loader=loader,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        comment_start_string="{!",  # "{#" is the length of a variable in a shell
        comment_end_string="!}",
        autoescape=False,
    )
    made.filters |= {"sh": shell, "ps": powershell, "unit": unit, "one_line": one_line}
    made.globals = {}
    return made


def shell(value: object) -> str:
    """``value`` as one word of a POSIX shell."""
    return shlex.quote(one_line(value))


def powershell(value: object) -> str:
    """``value`` as a PowerShell literal, in which nothing is expanded."""
    return "'" + one_line(value).replace("'", "''") + "'"


def unit(value: object) -> str:
    """``value`` as one word of a systemd command line or assignment."""
    text = one_line(value).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{text}"'


def one_line(value: object) -> str:
    """``value`` as text; raises ValueError when it has a control character, line breaks included."""
    text = str(value)
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in text):
        raise ValueError("a control character reached a template")
    return text
