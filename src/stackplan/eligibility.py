"""Which models may serve a need at all, and why the others may not: a `Refusal` is a value, never a log line."""

from typing import NamedTuple

from stackplan.catalog import Artifact, Engine, Model
from stackplan.needs import RoleNeed
from stackplan.stack import Policy

IMAGE = "image"


class Refusal(NamedTuple):
    """Why something is not offered to a need.

    ``reason`` is a slug that `reasons` turns into a sentence; ``shortfall_bytes`` what is missing in ``pool``, at
    least, where memory is the reason. A named tuple and no dataclass: planning makes tens of thousands.
    """

    need: str
    model: str
    reason: str
    artifact: str = ""
    detail: str = ""
    pool: str = ""
    shortfall_bytes: int = 0


def model_obstacle(need: RoleNeed, model: Model, policy: Policy) -> Refusal | None:
    """Why ``model`` may not serve ``need``; None when it may."""
    for reason, stands, detail in _checks(need, model, policy):
        if stands:
            return Refusal(need.id, model.id, reason, detail=detail)
    return None


def _checks(need: RoleNeed, model: Model, policy: Policy) -> tuple[tuple[str, bool, str], ...]:
    role, kind = need.role, model.architecture_class if need.architecture_classes else ""
    forbidden = {*need.forbid, *policy.forbid}
    unread = model.licence.commercial is not True
    missing = [wanted for wanted in role.inputs if wanted not in model.inputs]
    return (
        ("another-pinned", need.model is not None and model.id != need.model, need.model or ""),
        ("unsuited", need.model is None and not set(role.suits) & set(model.suits), ""),
        ("forbidden", bool(forbidden & {model.id, model.family, model.lineage}), ""),
        ("licence", policy.commercial and unread, model.licence.name),
        ("inputs", bool(missing), ", ".join(missing)),
        ("thinking", role.thinking == "never" and model.thinking == "always", ""),
        (
            "architecture-class",
            bool(need.architecture_classes) and kind not in need.architecture_classes,
            f"{kind}, not {' or '.join(need.architecture_classes)}",
        ),
        (
            "context-trained",
            model.context_tokens < need.context_floor_tokens,
            f"{model.context_tokens} < {need.context_floor_tokens} tokens",
        ),
        ("too-many-parameters", need.max_parameters is not None and model.parameters > need.max_parameters, ""),
        ("too-few-parameters", need.min_parameters is not None and model.parameters < need.min_parameters, ""),
    )


def artifact_obstacle(need: RoleNeed, artifact: Artifact) -> Refusal | None:
    """Why ``artifact`` of an eligible model may not serve ``need``; None when it may."""
    if need.quantisation is not None and artifact.quantisation != need.quantisation:
        return Refusal(need.id, artifact.model, "another-quantisation-pinned", artifact.id, need.quantisation)
    if IMAGE in need.role.inputs and not _sees(artifact):
        return Refusal(need.id, artifact.model, "no-projector", artifact.id)
    return None


def _sees(artifact: Artifact) -> bool:
    return artifact.format != "gguf" or bool(artifact.projector_file or artifact.projector_bytes)


def engine_for(need: RoleNeed, artifact: Artifact, engines: tuple[Engine, ...], policy: Policy) -> Engine | None:
    """The engine that serves ``artifact`` for ``need``: the policy's order, then the role's; None when none may."""
    allowed = [need.engine] if need.engine else [name for name in need.role.engines if not _left_out(name, policy)]
    order = [name for name in policy.engines if name in allowed] if policy.engines else allowed
    known = {engine.id: engine for engine in engines}
    for name in order or allowed:
        engine = known.get(name)
        if engine and name in artifact.engines and need.role.mode in engine.modes:
            return engine
    return None


def _left_out(engine: str, policy: Policy) -> bool:
    return bool(policy.engines) and engine not in policy.engines
