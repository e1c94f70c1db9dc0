"""A lock as people read it: what is pinned, what is not and why, what is larger than the plan took it to be."""

from collections.abc import Sequence
from typing import Any

from stackplan.download.obstacle import Failed
from stackplan.lock import Lock, LockedArtifact
from stackplan.units import format_bytes

# Headers (tokenizer, template) differ between publishers by a few MB; more than this changes what the plan proved.
_NOTABLE_SHARE = 0.02


def lock_summary(lock: Lock, failures: Sequence[Failed]) -> str:
    """One line per artifact, then what could not be asked."""
    reasons = {failure.artifact: failure for failure in failures}
    lines = [_line(artifact) for artifact in lock.artifacts]
    for artifact in lock.artifacts:
        if failure := reasons.get(artifact.id):
            lines += [f"NOT PINNED {artifact.id}: {failure.reason}", f"           {failure.hint}"]
    lines += [f"LARGER     {artifact.id}: {_difference(artifact)}" for artifact in _larger(lock)]
    pinned = sum(not artifact.unpinned for artifact in lock.artifacts)
    return "\n".join([*lines, f"{pinned} of {len(lock.artifacts)} artifacts pinned"])


def lock_data(lock: Lock, failures: Sequence[Failed]) -> dict[str, Any]:
    """The same as plain data; integers in bytes."""
    reasons = {failure.artifact: failure for failure in failures}
    return {
        "plan_digest": lock.plan_digest,
        "artifacts": [
            {
                "artifact": artifact.id,
                "revision": artifact.revision,
                "files": len(artifact.files),
                "size_bytes": artifact.size_bytes,
                "planned_bytes": artifact.planned_bytes,
                "unpinned": list(artifact.unpinned),
                "because": reasons[artifact.id].reason if artifact.id in reasons else "",
            }
            for artifact in lock.artifacts
        ],
        "larger": [artifact.id for artifact in _larger(lock)],
    }


def _line(artifact: LockedArtifact) -> str:
    state = f"no {', '.join(artifact.unpinned)}" if artifact.unpinned else "pinned"
    size = format_bytes(artifact.size_bytes if artifact.size_bytes is not None else artifact.planned_bytes)
    where = artifact.revision.removeprefix("sha256:")[:12] or "?"
    gate = "  gated" if artifact.gated else ""
    return f"{artifact.id:56} {where:12} {size:>10}  {state}{gate}"


def _larger(lock: Lock) -> list[LockedArtifact]:
    return [artifact for artifact in lock.artifacts if _weight_bytes(artifact) > _allowed(artifact)]


def _weight_bytes(artifact: LockedArtifact) -> int:
    weights = set(artifact.weight_files)
    return sum(file.size_bytes or 0 for file in artifact.files if file.path in weights)


def _allowed(artifact: LockedArtifact) -> float:
    return artifact.planned_bytes * (1 + _NOTABLE_SHARE)


def _difference(artifact: LockedArtifact) -> str:
    more = _weight_bytes(artifact) - artifact.planned_bytes
    return f"its files are {format_bytes(more)} larger than planned; set the size in the catalog and plan again"
