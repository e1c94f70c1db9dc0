"""Which files of a repository make an artifact; chosen by name and size from its listing, never guessed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from stackplan.download.obstacle import Obstacle
from stackplan.download.places import is_safe_name
from stackplan.gguf.shards import model_files, part_names
from stackplan.lock import LockedArtifact, LockedFile

# Another publisher's file of the same type is within this share of what was planned; a neighbouring type is not.
SIZE_TOLERANCE = 0.10
_SIDE_ENDINGS = (".json", ".txt", ".model", ".jinja", ".tiktoken", ".py")
# Modules of sentence-transformers: 1_Pooling/, 2_Dense/.
_MODULE = re.compile(r"\d+_[A-Za-z]+/[^/]+")
_TRANSFORMERS_WEIGHTS = re.compile(r"model(-\d{5}-of-\d{5})?\.safetensors")
# Speaches takes a cached repository for a speech model only if its card says so (0.8.3, hf_utils.py).
_CARD = ("README.md",)
_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Listing:
    """A repository at one commit. ``gated`` is None when the hub does not say."""

    commit: str
    gated: bool | None
    files: tuple[LockedFile, ...]


def chosen_files(artifact: LockedArtifact, listing: Listing, *, projector: bool) -> tuple[LockedFile, ...]:
    """The files of ``artifact``, weights first. Raises `Obstacle` when the repository does not hold them."""
    named = {file.path: file for file in listing.files if is_safe_name(file.path)}
    if artifact.format == "gguf":
        names = _gguf(artifact, named)
        names += _projector(artifact, named) if projector else []
    elif artifact.format == "safetensors":
        names = _safetensors(artifact, named) + _side_files(named)
    else:
        names = _ctranslate2(artifact, named) + _side_files(named)
    return tuple(named[name] for name in dict.fromkeys(names))


def _gguf(artifact: LockedArtifact, named: dict[str, LockedFile]) -> list[str]:
    planned = [name for name in artifact.weight_files if name in named]
    if planned:
        return _with_parts(artifact, planned[0], named)
    fitting = [name for name in model_files(named) if _is_of_type(name, artifact.quantisation)]
    if len(fitting) > 1:
        fitting = _closest(artifact, fitting, named)
    if len(fitting) != 1:
        raise _not_there(artifact, fitting or model_files(named))
    return _with_parts(artifact, fitting[0], named)


def _with_parts(artifact: LockedArtifact, name: str, named: dict[str, LockedFile]) -> list[str]:
    parts = list(part_names(name))
    if any(part not in named for part in parts):
        raise _not_there(artifact, sorted(named))
    return parts


def _is_of_type(name: str, quantisation: str) -> bool:
    """Whether the name carries the type as a word; UD-Q4_K_XL, a dynamic mixture, is another type than Q4_K_XL."""
    pattern = rf"(?<![A-Za-z0-9_])(?<!ud-){re.escape(quantisation)}(?![A-Za-z0-9_])"
    return re.search(pattern, name, re.IGNORECASE) is not None


def _closest(artifact: LockedArtifact, names: list[str], named: dict[str, LockedFile]) -> list[str]:
    """Of several models of one type in one repository, the one that has the planned size."""

    def error(name: str) -> float:
        size = sum(named[part].size_bytes or 0 for part in part_names(name) if part in named)
        return abs(size - artifact.planned_bytes) / max(1, artifact.planned_bytes)

    ranked = sorted(names, key=lambda name: (error(name), name))
    alike = [name for name in ranked if error(name) == error(ranked[0])]
    return alike if error(ranked[0]) <= SIZE_TOLERANCE else names


def _projector(artifact: LockedArtifact, named: dict[str, LockedFile]) -> list[str]:
    planned = [file.path for file in artifact.files if file.is_projector]
    found = [name for name in planned if name in named] or [name for name in sorted(named) if named[name].is_projector]
    if not found:
        raise _not_there(artifact, sorted(named), "projector")
    # llama.cpp's own choice for `-hf` is F16 too; it is what projectors are measured with.
    return [min(found, key=lambda name: (not _is_of_type(name, "F16"), named[name].size_bytes or 0, name))]


def _safetensors(artifact: LockedArtifact, named: dict[str, LockedFile]) -> list[str]:
    planned = [name for name in artifact.weight_files if name.endswith(".safetensors")]
    root = sorted(name for name in named if "/" not in name and name.endswith(".safetensors"))
    found = [name for name in root if _TRANSFORMERS_WEIGHTS.fullmatch(name)] or root
    if planned and not set(planned) - set(named):
        found = sorted({*planned, *found}) if planned[0] in found else planned
    modules = sorted(name for name in named if _MODULE.fullmatch(name) and name.endswith(".safetensors"))
    if not found:
        raise _not_there(artifact, sorted(named))
    return found + modules


def _ctranslate2(artifact: LockedArtifact, named: dict[str, LockedFile]) -> list[str]:
    found = [name for name in (artifact.weight_files or ("model.bin",)) if name in named]
    if not found:
        raise _not_there(artifact, sorted(named))
    return [*found, *(name for name in _CARD if name in named)]


def _side_files(named: dict[str, LockedFile]) -> list[str]:
    """Configuration, tokenizer, templates and code that engines read beside the weights."""
    return sorted(
        name for name in named if name.endswith(_SIDE_ENDINGS) and ("/" not in name or _MODULE.fullmatch(name))
    )


def _not_there(artifact: LockedArtifact, offered: Sequence[str], what: str = "weights") -> Obstacle:
    shown = ", ".join(name for name in offered[:_SHOWN] if name.isprintable())
    more = ", ..." if len(offered) > _SHOWN else ""
    return Obstacle(
        f"{artifact.repository} holds no {what} that are {artifact.id} for certain",
        hint=f"it offers {shown}{more}; name the file in the catalog" if shown else "choose another repository",
        slug="file-not-in-repository",
    )
