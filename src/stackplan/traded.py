"""What a plan trades away: wishes that are not met, the pool in the way, and the bytes that would buy them back.

Pure arithmetic on the plan's own figures, nothing is chosen again: the plan with one wish granted takes so many bytes
of a pool that has so many. Freeing the difference makes exactly that plan possible, so the best one is then at least
as good. What cannot be told so is left out.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from stackplan.bases import Base
from stackplan.catalog import Artifact
from stackplan.configuration import place_name
from stackplan.granted import candidate_of
from stackplan.merits import most_worthy
from stackplan.needs import RoleNeed
from stackplan.options import Deployable
from stackplan.pipeline import Planned
from stackplan.plan import ServedRole
from stackplan.problem import TIERS, Candidate, Choice
from stackplan.solve.usage import pool_bytes
from stackplan.units import format_tokens
from stackplan.values import replace

_WORTH_TELLING = 0.3  # points of utility: a smaller loss is not worth a line
_MODELS_TRIED = 4
_KEPT_MORE = 0.003  # of the quality: what a better file must keep to be called better


@dataclass(frozen=True, slots=True)
class Traded:
    """One wish that is not met. Granting it takes ``needs_bytes`` of ``pool``, which has ``has_bytes`` for models.

    ``points`` are what the roles lose by it, times priority. ``setting`` insists on it at the cost of something else.
    ``step`` is the smallest part of it that could be bought for ``step_bytes``; "" where it is all or nothing.
    """

    roles: tuple[str, ...]
    what: str
    pool: str
    needs_bytes: int
    has_bytes: int
    points: float
    setting: str
    step: str = ""
    step_bytes: int = 0

    @property
    def missing_bytes(self) -> int:
        """Bytes that would have to be freed."""
        return self.needs_bytes - self.has_bytes


@dataclass(frozen=True, slots=True)
class _Running:
    """A deployed candidate with its base and the roles that it serves."""

    name: str
    deployable: Deployable
    base: Base
    needs: tuple[RoleNeed, ...]
    served: tuple[ServedRole, ...]

    @property
    def slots(self) -> int:
        return sum(need.slots for need in self.needs)

    @property
    def context(self) -> int:
        return self.deployable.configuration.context_tokens

    def lost(self, term: str) -> float:
        """Points x priority that a term of the utility takes from all roles."""
        return -sum(r.priority * t.points for r in self.served for t in r.utility.terms if t.name == term)

    def moved(self, place: Base, planned: Planned) -> float:
        """Points x priority that all roles gain where the same file runs in another place."""
        now, then = dict(self.base.merits), dict(place.merits)
        ids = [need.id for need in planned.frame.needs]
        at = [(role, ids.index(role.role)) for role in self.served]
        return sum(r.priority * r.utility.total * (then[n] / now[n] - 1) for r, n in at if now.get(n) and n in then)


def traded_away(planned: Planned, most: int = 6) -> tuple[Traded, ...]:
    """The wishes that cost the plan most points, the dearest first; none where there is no plan."""
    if planned.plan is None or not isinstance(planned.chosen.answer, Choice):
        return ()
    running = tuple(_running(planned, planned.chosen.answer))
    found = [one for each in running for one in _of_instance(planned, running, each)]
    found += _better_models(planned, running)
    return tuple(sorted(found, key=lambda one: (-one.points, one.roles, one.what))[:most])


def _running(planned: Planned, choice: Choice) -> Iterator[_Running]:
    assert planned.plan is not None  # noqa: S101
    served = {role.role: role for role in planned.plan.roles}
    for name in dict.fromkeys(choice.assignment.values()):
        deployable = planned.chosen.deployables[name]
        base = next((base for base in _near(planned, deployable) if _is_of(base, deployable)), None)
        needs = tuple(need for need in planned.frame.needs if choice.assignment.get(need.id) == name)
        if base is not None:
            yield _Running(name, deployable, base, needs, tuple(served[need.id] for need in needs))


def _near(planned: Planned, deployable: Deployable) -> Iterator[Base]:
    own = deployable.configuration
    return planned.space.bases_of(lambda one: one.served.model.id == own.model.id and one.placement == own.placement)


def _is_of(base: Base, deployable: Deployable) -> bool:
    configuration = deployable.configuration
    return (
        base.artifact.id == configuration.artifact.id
        and base.placement == configuration.placement
        and base.kv_type == configuration.kv_type
        and base.configuration(configuration.context_tokens) == configuration
    )


def _of_instance(planned: Planned, running: tuple[_Running, ...], one: _Running) -> Iterator[Traded]:
    if one.lost("context") >= _WORTH_TELLING:
        yield from _context(planned, running, one)
    if one.lost("tier") >= _WORTH_TELLING:
        yield from _tier(planned, running, one)
    if one.lost("speed") >= _WORTH_TELLING and (faster := _faster_place(planned, one)) is not None:
        what = f"on {place_name(faster.placement)} -> {place_name(one.base.placement)}"
        wished = candidate_of(planned.space.finder, faster, one.context, one.deployable.tier)
        setting = f"{one.needs[0].id}.device={place_name(faster.placement)}"
        yield from _told(planned, running, one, wished, what, one.moved(faster, planned), setting)
    if one.lost("quantisation") >= _WORTH_TELLING and (better := _better_file(planned, one)) is not None:
        what = f"quantisation {better.quantisation} -> {one.base.artifact.quantisation}"
        wished = candidate_of(
            planned.space.finder, replace(one.base, artifact=better), one.context, one.deployable.tier
        )
        setting = f"{one.needs[0].id}.quant={better.quantisation}"
        gain = one.lost("quantisation") * _regained(planned, one, better)
        yield from _told(planned, running, one, wished, what, gain, setting)
    if one.lost("cache type") >= _WORTH_TELLING:
        what = f"KV type f16 -> {one.base.kv_type}"
        wished = candidate_of(planned.space.finder, replace(one.base, kv_type="f16"), one.context, one.deployable.tier)
        yield from _told(planned, running, one, wished, what, one.lost("cache type"), f"{one.needs[0].id}.kv=f16")


def _context(planned: Planned, running: tuple[_Running, ...], one: _Running) -> Iterator[Traded]:
    short = [need for need in one.needs if need.context_wish_tokens > one.context]
    longer = [context for context in one.base.contexts if context > one.context]
    if not short or not longer:
        return  # the model was trained for no longer context
    wish = max(need.context_wish_tokens for need in short)
    target = next((context for context in longer if context >= wish), longer[-1])
    step = _granted(planned, running, one, candidate_of(planned.space.finder, one.base, longer[0], one.deployable.tier))
    what = f"context {format_tokens(target)} -> {format_tokens(one.context)}"
    wished = candidate_of(planned.space.finder, one.base, target, one.deployable.tier)
    setting = f"{short[0].id}.context={format_tokens(target)}"
    for told in _told(planned, running, one, wished, what, one.lost("context"), setting):
        named = replace(told, roles=tuple(need.id for need in short))
        if step is None or longer[0] == target or step[1] - step[2] <= 0:
            yield named
        else:
            yield replace(named, step=format_tokens(longer[0]), step_bytes=step[1] - step[2])


def _tier(planned: Planned, running: tuple[_Running, ...], one: _Running) -> Iterator[Traded]:
    wished = min((need.tier for need in one.needs), key=("hot", "warm", "cold").index)
    tier = next(each for each in TIERS if each == wished)
    roles = tuple(need.id for need in one.needs if need.tier == tier)
    candidate = candidate_of(planned.space.finder, one.base, one.context, tier)
    what = f"{tier.upper()} -> {one.deployable.tier.upper()}"
    for told in _told(planned, running, one, candidate, what, one.lost("tier"), f"{roles[0]}.tier={tier}"):
        yield replace(told, roles=roles)


def _faster_place(planned: Planned, one: _Running) -> Base | None:
    """The same file wholly on cards, where it could be alone and would be faster; the fewest cards first."""
    now = one.base.speed
    for base in planned.space.bases_of(lambda prospect: prospect.served.key == one.base.served.key):
        alike = base.served.key == one.base.served.key and base.artifact.id == one.base.artifact.id
        elsewhere = base.is_whole and not base.placement.is_cpu and base.placement != one.base.placement
        if alike and base.kv_type == one.base.kv_type and elsewhere:
            faster = base.speed and now and base.speed.decode_tokens_per_second > now.decode_tokens_per_second
            if faster and base.served.vision == one.base.served.vision:
                return base
    return None


def _better_file(planned: Planned, one: _Running) -> Artifact | None:
    """The smallest file of the same model for the same engine that keeps more of its quality."""
    rating, model, kv_type = planned.space.finder.rating, one.base.served.model, one.base.kv_type
    least = rating.kept(model, one.base.artifact, kv_type) + _KEPT_MORE
    better = [file for file in one.base.served.artifacts if rating.kept(model, file, kv_type) >= least]
    return min(better, key=lambda file: (file.file_bytes, file.id), default=None)


def _regained(planned: Planned, one: _Running, better: Artifact) -> float:
    """Share of what quantisation takes that the better file gives back."""
    rating, model = planned.space.finder.rating, one.base.served.model
    now, then = (1.0 - rating.kept(model, file, "f16") for file in (one.base.artifact, better))
    return (now - then) / now if now else 0.0


def _better_models(planned: Planned, running: tuple[_Running, ...]) -> Iterator[Traded]:
    """For each role, the model that would be worth most with the machine to itself, where that is another one."""
    for one in running:
        for need, served in zip(one.needs, one.served, strict=True):
            least = served.utility.total + _WORTH_TELLING
            for merit, base in islice(_models(planned, need), _MODELS_TRIED):
                if merit < least or base.served.model.id == one.base.served.model.id:
                    break
                context = _longest(planned, need, base)
                points = merit * planned.space.finder.rating.context_factor(need, context) if context else 0.0
                if points >= least:
                    gain = (points - served.utility.total) * need.priority
                    yield from _other_model(planned, running, one, need, base, context, gain)
                    break


def _models(planned: Planned, need: RoleNeed) -> Iterator[tuple[float, Base]]:
    """The best base of each model for a need, the most worthy model first."""
    seen: set[str] = set()
    for merit, base in most_worthy(planned.space, planned.frame.needs.index(need)):
        if base.served.model.id not in seen:
            seen.add(base.served.model.id)
            yield merit, base


def _longest(planned: Planned, need: RoleNeed, base: Base) -> int:
    fitting = [context for context, _ in planned.space.finder.curve(base) if context >= need.context_floor_tokens]
    return next((context for context in fitting if context >= need.context_wish_tokens), max(fitting, default=0))


def _other_model(
    planned: Planned,
    running: tuple[_Running, ...],
    one: _Running,
    need: RoleNeed,
    base: Base,
    context: int,
    gain: float,
) -> Iterator[Traded]:
    alone = len(one.needs) == 1
    tier = next(each for each in TIERS if each == need.tier)
    added = candidate_of(planned.space.finder, base, context, tier)
    what = f"model {base.served.model.id} {base.artifact.quantisation} -> {one.base.served.model.id}"
    others = tuple(each for each in running if each is not one or not alone)
    worst = _worst(planned, others, added, need.slots) if added else None
    taken = any(each.base.served.key == base.served.key for each in others)  # one instance of a model at most
    if worst and not taken and worst[1] > worst[2]:
        yield Traded((need.id,), what, *worst, gain, f"{need.id}.model={base.served.model.id}")


def _told(
    planned: Planned,
    running: tuple[_Running, ...],
    one: _Running,
    wished: Candidate | None,
    what: str,
    points: float,
    setting: str,
) -> Iterator[Traded]:
    worst = _granted(planned, running, one, wished)
    if worst is not None and worst[1] > worst[2]:
        yield Traded(tuple(need.id for need in one.needs), what, *worst, points, setting)


def _granted(
    planned: Planned, running: tuple[_Running, ...], one: _Running, wished: Candidate | None
) -> tuple[str, int, int] | None:
    if wished is None:
        return None
    return _worst(planned, tuple(each for each in running if each is not one), wished, one.slots)


def _worst(planned: Planned, others: tuple[_Running, ...], added: Candidate, slots: int) -> tuple[str, int, int] | None:
    """The pool that misses most with a candidate added, what it would hold and what it has; None if several miss."""
    problem = planned.chosen.problem
    known = {candidate.id: candidate for candidate in problem.candidates}
    chosen = [*(known[each.name] for each in others if each.name != added.id), added]
    asked = {**{each.name: each.slots for each in others}, added.id: slots}
    taken = {pool: pool_bytes(problem, chosen, asked, pool) for pool in problem.pools}
    short = [pool for pool in problem.pools if taken[pool] > problem.pools[pool]]
    return (short[0], taken[short[0]], problem.pools[short[0]]) if len(short) == 1 else None
