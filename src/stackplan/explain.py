"""Why a role is served as it is: the chosen option's terms, its rivals, and what each of them would cost."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from stackplan.alone import Alone, best_alone
from stackplan.bases import Base
from stackplan.configuration import place_name
from stackplan.counterfactual import Counterfactual, Force, forced
from stackplan.diff import speculation
from stackplan.eligibility import Refusal
from stackplan.needs import RoleNeed
from stackplan.pipeline import Planned
from stackplan.plan import Instance, ServedRole
from stackplan.units import format_tokens

RUNNERS_UP = 5
_NEAREST = 5


@dataclass(frozen=True, slots=True)
class Rival:
    """An option that was not chosen. ``kind`` says what is otherwise: model, quantisation, context, KV type or tier.

    ``points`` are what it would be worth to the role with the machine to itself; None where that means nothing.
    """

    kind: str
    label: str
    force: Force
    points: float | None


@dataclass(frozen=True, slots=True)
class Refused:
    """What was never offered to a role: reasons counted over options, and the models that miss least memory."""

    counts: tuple[tuple[str, int], ...]
    nearest: tuple[Refusal, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything about one role of a plan. ``served`` is None where nothing serves it."""

    need: RoleNeed
    served: ServedRole | None
    instance: Instance | None
    rivals: tuple[tuple[Rival, Counterfactual], ...]
    refused: Refused


def rivals(planned: Planned, need: RoleNeed, count: int = RUNNERS_UP) -> tuple[Rival, ...]:
    """What to hold against the chosen option: the ``count`` best other models, and the chosen one run otherwise."""
    served = served_by(planned, need)
    instance = _instance(planned, served)
    models = best_alone(planned.space, need, _model, most=count + 1)
    others = [one for one in models if instance is None or one.base.served.model.id != instance.model]
    found = [_of_model(need, one) for one in others[:count]]
    if instance is not None and served is not None:
        found += _other_files(planned, need, instance)
        found += _wishes(need, served, instance)
    return tuple(found)


def explanation(
    planned: Planned, need: RoleNeed, told: tuple[tuple[Rival, Counterfactual], ...], refused: Refused
) -> Explanation:
    """The explanation of a role, with counterfactuals and refusals that were already worked out."""
    served = served_by(planned, need)
    return Explanation(need, served, _instance(planned, served), told, refused)


def served_by(planned: Planned, need: RoleNeed) -> ServedRole | None:
    """How the plan serves the need; None where it does not, or where there is no plan."""
    roles = planned.plan.roles if planned.plan else ()
    return next((role for role in roles if role.role == need.id), None)


def refused(planned: Planned, need: RoleNeed) -> Refused:
    """Refusals of a need; the nearest are models with no option at all, each by its smallest shortfall."""
    own = [refusal for refusal in planned.space.refusals({need.id}) if refusal.need == need.id]
    counts = Counter(refusal.reason for refusal in own if refusal.reason != "unsuited")
    position = [each.id for each in planned.frame.needs].index(need.id)
    opened = planned.space.bases_of(lambda prospect: position in dict(prospect.best))
    offered = {base.served.model.id for base in opened if position in dict(base.merits)}
    least: dict[str, Refusal] = {}
    for refusal in own:
        if refusal.reason == "memory" and refusal.model not in offered:
            known = least.get(refusal.model)
            if known is None or _shortness(refusal) < _shortness(known):
                least[refusal.model] = refusal
    nearest = sorted(least.values(), key=_shortness)[:_NEAREST]
    return Refused(tuple(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))), tuple(nearest))


def _shortness(refusal: Refusal) -> tuple[int, str, str, str]:
    return (refusal.shortfall_bytes, refusal.model, refusal.artifact, refusal.pool)


def _instance(planned: Planned, served: ServedRole | None) -> Instance | None:
    return planned.plan.instance(served.instance) if planned.plan and served else None


def _model(base: Base) -> str:
    return base.served.model.id


def _of_model(need: RoleNeed, one: Alone) -> Rival:
    base = one.base
    label = f"{base.served.model.id} {base.artifact.quantisation}, alone on {place_name(base.placement)}"
    return Rival("model", label, Force(need.id, model=base.served.model.id), one.points)


def _other_files(planned: Planned, need: RoleNeed, instance: Instance) -> Iterator[Rival]:
    """Of the chosen model, the next better and the next lighter file that could serve the need alone."""
    own = forced(planned.space, Force(need.id, model=instance.model))
    files = best_alone(own, need, lambda base: base.artifact.id)
    files.sort(key=lambda one: (one.base.artifact.file_bytes, one.base.artifact.id))
    place = next((n for n, one in enumerate(files) if one.base.artifact.id == instance.artifact), None)
    if place is None:
        return
    near = [*files[place + 1 : place + 2], *reversed(files[max(0, place - 1) : place])]
    called = Counter(one.base.artifact.quantisation for one in (files[place], *near))
    for one in near:
        artifact = one.base.artifact
        force = Force(need.id, model=instance.model, artifact=artifact.id)
        which = f" ({artifact.id})" if called[artifact.quantisation] > 1 else ""
        yield Rival("quantisation", f"{instance.model} {artifact.quantisation}{which}", force, one.points)


def _wishes(need: RoleNeed, served: ServedRole, instance: Instance) -> Iterator[Rival]:
    """The chosen model with what the need wished for and does not get, and without what proposes tokens to it."""
    if instance.acceleration is not None:
        label = f"{instance.model} without {speculation(instance)}"
        yield Rival("speculation", label, Force(need.id, model=instance.model, unaided=True), None)
    wish, tier = need.context_wish_tokens, need.tier
    if served.context_tokens < wish:
        force = Force(need.id, model=instance.model, least_context_tokens=wish)
        yield Rival("context", f"{instance.model} with {format_tokens(wish)}", force, None)
    if ("hot", "warm", "cold").index(instance.tier) > ("hot", "warm", "cold").index(tier):
        yield Rival("tier", f"{instance.model} {tier.upper()}", Force(need.id, model=instance.model, tier=tier), None)
    if instance.kv_type != "f16" and any(demand.kv_bytes for demand in instance.demand):
        yield Rival(
            "KV type", f"{instance.model} with f16 KV", Force(need.id, model=instance.model, kv_type="f16"), None
        )
