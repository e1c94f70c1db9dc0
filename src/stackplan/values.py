"""Values with something changed, whichever way their class is made.

What planning makes by the hundred is a msgspec Struct, which is made ten times as fast as a frozen dataclass; all else
is a dataclass (docs/adr/0020). To whoever uses them they are alike.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # whose arguments type checkers hold against the fields of both
    from dataclasses import replace  # noqa: TID251  (as this does at run time)
else:
    import dataclasses

    from msgspec import Struct, structs

    def replace(value, /, **changes):
        """The value with other fields; a value of another class than these is a TypeError."""
        of = structs.replace if isinstance(value, Struct) else dataclasses.replace  # noqa: TID251  (no Struct)
        return of(value, **changes)


__all__ = ["replace"]
