"""What the terminal can show, and how text gets there."""

import os
import sys


def terminal_is_ascii() -> bool:
    """Whether stdout cannot show the glyphs of bars."""
    return "utf" not in (getattr(sys.stdout, "encoding", None) or "").lower()


def tell(text: str, *, end: str = "\n") -> None:
    """Print to stdout at once, so that a reader who has gone is noticed here; needs no typer where UTF-8 is written."""
    if terminal_is_ascii() or os.name == "nt":
        import typer  # noqa: PLC0415  (writes UTF-8 even where the encoding is set to ASCII; 30 ms)

        typer.echo(text + end, nl=False)
    else:
        print(text, end=end, flush=True)
