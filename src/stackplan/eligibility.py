"""Which models may serve a need at all, and why the others may not: a `Refusal` is a value, never a log line."""

from collections.abc import Iterator
from itertools import chain
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
    for reason, detail in chain(_forbidden(need, model, policy), _unable(need, model)):
        return Refusal(need.id, model.id, reason, detail=detail)
    return None


def _forbidden(need: RoleNeed, model: Model, policy: Policy) -> Iterator[tuple[str, str]]:
    """What was not asked for: most models are refused for the first reasons, so that no other is looked for."""
    role = need.role
    if need.model is not None and model.id != need.model:
        yield "another-pinned", need.model
    if need.model is None and not any(kind in model.suits for kind in role.suits):
        yield "unsuited", ""
    if any(name in {model.id, model.family, model.lineage} for name in (*need.forbid, *policy.forbid)):
        yield "forbidden", ""
    if policy.commercial and model.licence.commercial is not True:
        yield "licence", model.licence.name


def _unable(need: RoleNeed, model: Model) -> Iterator[tuple[str, str]]:
    """What the model cannot do."""
    role = need.role
    if missing := [wanted for wanted in role.inputs if wanted not in model.inputs]:
        yield "inputs", ", ".join(missing)
    if role.thinking == "never" and model.thinking == "always":
        yield "thinking", ""
    if need.architecture_classes and (kind := model.architecture_class) not in need.architecture_classes:
        yield "architecture-class", f"{kind}, not {' or '.join(need.architecture_classes)}"
    if model.context_tokens < need.context_floor_tokens:
        yield "context-trained", f"{model.context_tokens} < {need.context_floor_tokens} tokens"
    if need.max_parameters is not None and model.parameters > need.max_parameters:
        yield "too-many-parameters", ""
    if need.min_parameters is not None and model.parameters < need.min_parameters:
        yield "too-few-parameters", ""


def artifact_obstacle(need: RoleNeed, artifact: Artifact) -> Refusal | None:
    """Why ``artifact`` of an eligible model may not serve ``need``; None when it may."""
    if need.quantisation is not None and artifact.quantisation != need.quantisation:
        return Refusal(need.id, artifact.model, "another-quantisation-pinned", artifact.id, need.quantisation)
    if IMAGE in need.role.inputs and not sees(artifact):
        return Refusal(need.id, artifact.model, "no-projector", artifact.id)
    return None


def sees(artifact: Artifact) -> bool:
    """Whether an artifact of a model with eyes brings them."""
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
