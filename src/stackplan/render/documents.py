"""Values to text, by serialisers only; every document starts with the same line on where it comes from."""

from typing import Any

HEADER = "Written by stackplan from a plan; change the plan, not this file."


def to_yaml(document: Any) -> str:
    """YAML in the order given, one line per key, anchors never."""
    import yaml  # noqa: PLC0415  (the CLI start does not need it)

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
            return True

    body = yaml.dump(document, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=1000)
    return f"# {HEADER}\n{body}"


def to_toml(document: dict[str, Any], remarks: tuple[str, ...] = ()) -> str:
    """TOML in the order given; ``remarks`` become comment lines at the top and must be one line each."""
    import tomli_w  # noqa: PLC0415

    return "".join(f"# {line}\n" for line in (HEADER, *remarks)) + tomli_w.dumps(document)


def to_ini(sections: dict[str, dict[str, str]], preamble: tuple[str, ...] = (), comment: str = "#") -> str:
    """INI sections; names and values were allow-listed before, and a line break in one is a bug of ours."""
    lines = [f"{comment} {HEADER}", *preamble]
    for name, entries in sections.items():
        lines += ["", f"[{name}]", *(f"{key} = {value}" for key, value in entries.items())]
    if any("\n" in line or "\r" in line for line in lines):
        raise ValueError("a line break reached an INI file")
    return "\n".join(lines) + "\n"
