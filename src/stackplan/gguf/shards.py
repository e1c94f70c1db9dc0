"""Names of files and parts: which of a folder's or repository's files make one model."""

import re
from collections.abc import Iterable
from typing import Final

from stackplan.errors import UserError

# llama.cpp's gguf-split: NAME-00001-of-00003.gguf.
_PART = re.compile(r"(?P<stem>.*)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf")
MAX_PARTS: Final = 512
_SHOWN: Final = 12


def part_names(name: str) -> tuple[str, ...]:
    """Names of all parts of the model that ``name`` belongs to, in order; ``name`` alone if it is no part."""
    match = _PART.fullmatch(name)
    if match is None:
        return (name,)
    count = int(match["count"])
    if not 1 <= int(match["number"]) <= count <= MAX_PARTS:
        raise UserError(
            f"{name} cannot be a part of {count}", hint="Rename the parts as they were.", slug="gguf-shards"
        )
    return tuple(f"{match['stem']}-{number:05d}-of-{count:05d}.gguf" for number in range(1, count + 1))


def model_files(names: Iterable[str]) -> list[str]:
    """The models among ``names``: first parts only, without projectors and importance matrices."""
    models = set()
    for name in names:
        base = name.rpartition("/")[2].lower()
        if base.endswith(".gguf") and not base.startswith("mmproj") and "imatrix" not in base:
            match = _PART.fullmatch(name)
            if match is None or int(match["number"]) == 1:
                models.add(name)
    return sorted(models)


def chosen_file(names: Iterable[str], wanted: str, where: str) -> str:
    """The one model file that ``wanted`` means: a path, a part of a name such as ``Q4_K_M``, or "" for the only one.

    Raises UserError model-file-choice that says which there are.
    """
    every = sorted(set(names))
    if wanted in every:
        return wanted
    models = model_files(every)
    fitting = [name for name in models if wanted.lower() in name.lower()]
    tagged = [name for name in fitting if re.search(rf"(^|[-._/]){re.escape(wanted)}([-./]|$)", name, re.IGNORECASE)]
    if len(tagged or fitting) == 1:
        return (tagged or fitting)[0]
    raise _undecided(where, wanted, fitting, models)


def _undecided(where: str, wanted: str, fitting: list[str], models: list[str]) -> UserError:
    offered = fitting or models
    shown = ", ".join(_printable(name) for name in offered[:_SHOWN])
    return UserError(
        f"{where} holds {len(fitting) or 'no'} GGUF models{f' like {wanted!r}' if wanted else ''}",
        hint=f"Name one: {shown}{', ...' if len(offered) > _SHOWN else ''}"
        if offered
        else "Choose a repository with .gguf files; the page of the original usually links to one.",
        slug="model-file-choice",
    )


def _printable(name: str) -> str:
    """A name from a stranger's folder without anything that a terminal would obey."""
    return name if name.isprintable() else repr(name)
