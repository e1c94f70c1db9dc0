"""The option space: every way to serve every need, with what it takes and what it is worth; or why it is not offered.

Pure: catalog and host in, offers and refusals out. An option is a configuration (model, artifact, engine, context, KV type,
placement) in a tier, offered to a need; `problem` holds them as plain numbers, this module remembers what they mean.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from stackplan.assess import Assess, Taken
from stackplan.catalog import Artifact, Catalog, Model
from stackplan.configuration import WHOLE_TEXT_MODES, Configuration, place_name
from stackplan.contexts import context_steps
from stackplan.eligibility import IMAGE, Refusal, artifact_obstacle, engine_for, model_obstacle
from stackplan.hardware import Host
from stackplan.needs import RoleNeed
from stackplan.placements import partial_placements, whole_placements
from stackplan.problem import TIERS, Candidate, Diversity, Need, Offer, Problem, Tier
from stackplan.serving import Placement, SpeedEstimate, Unestimable
from stackplan.stack import Policy

# Utility points are rounded to thousandths, so that sums are exact integers.
VALUE_PER_POINT = 1000


class Rate(Protocol):
    """What a configuration is worth to a need."""

    def points(
        self, need: RoleNeed, configuration: Configuration, speed: SpeedEstimate | None, tier: Tier
    ) -> float | None:
        """Utility of 0..100; None when a floor of the need is missed (speed, quality)."""

    def diversity_points(self, need: RoleNeed) -> float:
        """Points that ``need`` loses when what it checks comes from the same training lineage."""


@dataclass(frozen=True, slots=True)
class Deployable:
    """A configuration in a tier: what a candidate of the problem means."""

    configuration: Configuration
    tier: Tier
    taken: Taken
    speed: SpeedEstimate | None


@dataclass(slots=True)
class Options:
    """The option space of one request on one host."""

    problem: Problem
    deployables: dict[str, Deployable]
    needs: tuple[RoleNeed, ...]
    refusals: list[Refusal] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Served:
    """An artifact and the needs that it may serve in one mode by one engine."""

    model: Model
    artifact: Artifact
    engine: str
    mode: str
    needs: tuple[RoleNeed, ...]
    vision: bool


def enumerate_options(
    host: Host, needs: Sequence[RoleNeed], catalog: Catalog, policy: Policy, assess: Assess, rate: Rate
) -> Options:
    """Everything that may be deployed, and a refusal for everything that a need might have expected."""
    refusals: list[Refusal] = []
    whole = whole_placements(host, policy)
    candidates: list[Candidate] = []
    offers: list[Offer] = []
    deployables: dict[str, Deployable] = {}
    for served in _served(needs, catalog, policy, refusals):
        for deployable, values in _deployables(served, host, whole, policy, assess, rate, refusals):
            candidate = _candidate(deployable, host)
            deployables[candidate.id] = deployable
            candidates.append(candidate)
            offers += [Offer(need.id, candidate.id, value, need.slots) for need, value in values]
    problem = Problem(
        needs=tuple(Need(need.id, need.required) for need in needs),
        pools={pool.id: pool.budget_bytes for pool in host.pools},
        candidates=tuple(candidates),
        offers=tuple(offers),
        disk_bytes=host.disk.free_bytes if host.disk else None,
        diversities=tuple(_diversities(needs, rate)),
        distinct=_distinct(needs),
    )
    return Options(problem, deployables, tuple(needs), refusals)


def _served(
    needs: Sequence[RoleNeed], catalog: Catalog, policy: Policy, refusals: list[Refusal]
) -> Iterator[_Served]:
    for model in catalog.models:
        willing: list[RoleNeed] = []
        for need in needs:
            if refusal := model_obstacle(need, model, policy):
                refusals.append(refusal)
            else:
                willing.append(need)
        if willing:
            yield from _served_by_model(model, willing, catalog, policy, refusals)


def _served_by_model(
    model: Model, needs: list[RoleNeed], catalog: Catalog, policy: Policy, refusals: list[Refusal]
) -> Iterator[_Served]:
    for artifact in _without_twins(model.artifacts):
        groups: dict[tuple[str, str], list[RoleNeed]] = {}
        for need in needs:
            engine = engine_for(need, artifact, catalog.engines, policy)
            if refusal := artifact_obstacle(need, artifact):
                refusals.append(refusal)
            elif engine is None:
                refusals.append(Refusal(need.id, model.id, "no-engine", artifact.id, artifact.format))
            else:
                groups.setdefault((engine.id, need.role.mode), []).append(need)
        for (engine_id, mode), willing in groups.items():
            yield from _by_sight(model, artifact, engine_id, mode, willing)


def _by_sight(model: Model, artifact: Artifact, engine: str, mode: str, needs: list[RoleNeed]) -> Iterator[_Served]:
    """With its projector for all needs, and without for those that show it no images."""
    blind = tuple(need for need in needs if IMAGE not in need.role.inputs)
    if blind:
        yield _Served(model, artifact, engine, mode, blind, vision=False)
    if len(blind) < len(needs):
        yield _Served(model, artifact, engine, mode, tuple(needs), vision=True)


def _without_twins(artifacts: Iterable[Artifact]) -> Iterator[Artifact]:
    """One artifact of each format, quantisation and recipe: the first repository of the catalog speaks for its twins."""
    seen: set[tuple[str, str, int, bool]] = set()
    for artifact in artifacts:
        mark = (artifact.format, artifact.quantisation, artifact.file_bytes, bool(artifact.projector_bytes))
        if mark not in seen:
            seen.add(mark)
            yield artifact


def _deployables(
    served: _Served,
    host: Host,
    whole: tuple[Placement, ...],
    policy: Policy,
    assess: Assess,
    rate: Rate,
    refusals: list[Refusal],
) -> Iterator[tuple[Deployable, list[tuple[RoleNeed, int]]]]:
    shape = served.model.architecture
    partial = partial_placements(host, shape, policy) if shape is not None and served.mode == "chat" else ()
    budgets = {pool.id: pool.budget_bytes for pool in host.pools}
    for placement in (*whole, *partial):
        needs = [need for need in served.needs if need.device in (None, place_name(placement), *placement.devices)]
        if not needs:
            continue
        for kv_type in _kv_types(served, needs, policy):
            for context in _contexts(needs, served.model):
                configuration = _configuration(served, context, kv_type, placement)
                taken = assess.takes(configuration)
                short = _shortfall(taken, budgets)
                if isinstance(taken, Unestimable):
                    refusals.append(_unestimable(served, taken))
                    break
                if short is not None:
                    refusals += [_too_large(need, served, placement, context, short) for need in needs]
                    break  # a longer context never needs fewer bytes
                speed = assess.speed(configuration)
                for tier in TIERS:
                    values = list(_values(needs, configuration, kv_type, speed, tier, rate))
                    if values:
                        yield Deployable(configuration, tier, taken, speed), values


def _configuration(served: _Served, context: int, kv_type: str, placement: Placement) -> Configuration:
    return Configuration(
        served.model, served.artifact, served.engine, served.mode, context, kv_type, placement, served.vision
    )


def _kv_types(served: _Served, needs: Sequence[RoleNeed], policy: Policy) -> tuple[str, ...]:
    shape = served.model.architecture
    if served.mode in WHOLE_TEXT_MODES or shape is None or not shape.has_cache:
        return ("f16",)
    pinned = {need.kv_type for need in needs if need.kv_type}
    return tuple(dict.fromkeys((*policy.kv_types, *sorted(pinned))))


def _contexts(needs: Sequence[RoleNeed], model: Model) -> list[int]:
    steps: set[int] = set()
    for need in needs:
        steps |= set(
            context_steps(need.context_floor_tokens, need.context_wish_tokens, most=model.context_tokens)
        )
    return sorted(steps)


def _values(
    needs: Sequence[RoleNeed],
    configuration: Configuration,
    kv_type: str,
    speed: SpeedEstimate | None,
    tier: Tier,
    rate: Rate,
) -> Iterator[tuple[RoleNeed, int]]:
    for need in needs:
        if configuration.context_tokens < need.context_floor_tokens or need.kv_type not in (None, kv_type):
            continue
        if need.tier_pinned and need.tier != tier:
            continue
        points = rate.points(need, configuration, speed, tier)
        if points is not None:
            yield need, round(points * need.priority * VALUE_PER_POINT)


def _candidate(deployable: Deployable, host: Host) -> Candidate:
    configuration = deployable.configuration
    group = f"warm-{place_name(Placement(configuration.placement.devices))}" if deployable.tier == "warm" else ""
    return Candidate(
        id=f"{configuration.name}|{deployable.tier}",
        key=configuration.base,
        tier=deployable.tier,
        takes=deployable.taken.for_tier(deployable.tier, host),
        files=((configuration.artifact.id, configuration.disk_bytes),),
        swap_group=group,
        lineage=configuration.model.lineage,
    )


def _diversities(needs: Sequence[RoleNeed], rate: Rate) -> Iterator[Diversity]:
    for need in needs:
        penalty = round(rate.diversity_points(need) * need.priority * VALUE_PER_POINT)
        for other in needs:
            if penalty and other.role.id in need.role.checks and other.id != need.id:
                yield Diversity(need.id, other.id, penalty)


def _distinct(needs: Sequence[RoleNeed]) -> tuple[tuple[str, ...], ...]:
    pools: dict[str, list[str]] = {}
    for need in needs:
        if need.pool:
            pools.setdefault(need.pool, []).append(need.id)
    return tuple(tuple(members) for members in pools.values())


def _shortfall(taken: Taken | Unestimable, budgets: dict[str, int]) -> tuple[str, int] | None:
    """The pool that misses most, and by how many bytes, when one instance with one slot does not fit alone."""
    if isinstance(taken, Unestimable):
        return None
    missing = [
        (pool.fixed_bytes + pool.per_slot_bytes - budgets[pool.pool], pool.pool) for pool in taken.pools
    ]
    worst, pool_id = max(missing)
    return (pool_id, worst) if worst > 0 else None


def _too_large(
    need: RoleNeed, served: _Served, placement: Placement, context: int, short: tuple[str, int]
) -> Refusal:
    detail = f"{context} tokens on {place_name(placement)}"
    return Refusal(need.id, served.model.id, "memory", served.artifact.id, detail, short[0], short[1])


def _unestimable(served: _Served, answer: Unestimable) -> Refusal:
    return Refusal(served.needs[0].id, served.model.id, answer.reason, served.artifact.id, answer.detail)
