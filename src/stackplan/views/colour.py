"""Colour for terminals: never the only carrier of a meaning, and absent when it is not wanted."""

# ECMA-48 select graphic rendition: of the eight basic colours, so that every terminal theme stays readable.
_CODES = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "magenta": "35",
    "cyan": "36",
}


def paint(text: str, *styles: str, colour: bool) -> str:
    """``text`` in these styles, or as it is."""
    if not colour or not styles or not text:
        return text
    return f"\x1b[{';'.join(_CODES[style] for style in styles)}m{text}\x1b[0m"
