"""The option space: every way to serve every need, with what it takes and what it is worth; or why it is not offered.

Pure: catalog and host in, offers and refusals out. An option is a configuration (model, artifact, engine, context, KV
type, placement) in a tier, offered to a need; `problem` holds them as plain numbers, this module remembers what they
mean.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from stackplan.assess import Assess, Taken
from stackplan.bases import Base, BaseFinder, Served
from stackplan.catalog import Artifact, Catalog, Model
from stackplan.configuration import Configuration, place_name
from stackplan.eligibility import IMAGE, Refusal, artifact_obstacle, engine_for, model_obstacle
from stackplan.frontier import frontier
from stackplan.hardware import Host
from stackplan.needs import RoleNeed
from stackplan.problem import TIERS, Candidate, Diversity, Need, Offer, Problem, Tier
from stackplan.rating import Rating
from stackplan.serving import Placement, SpeedEstimate
from stackplan.stack import Policy

# Utility points are rounded to thousandths, so that sums are exact integers.
VALUE_PER_POINT = 1000


@dataclass(frozen=True, slots=True)
class Deployable:
    """A configuration in a tier: what a candidate of the problem means."""

    configuration: Configuration
    tier: Tier
    taken: Taken
    speed: SpeedEstimate | None


@dataclass(frozen=True, slots=True)
class Options:
    """The option space of one request on one host. ``offered`` counts options before dominated ones were left out."""

    problem: Problem
    deployables: dict[str, Deployable]
    needs: tuple[RoleNeed, ...]
    refusals: tuple[Refusal, ...]
    offered: int


def enumerate_options(
    host: Host, needs: Sequence[RoleNeed], catalog: Catalog, policy: Policy, assess: Assess, rating: Rating
) -> Options:
    """Everything that may be deployed, and a refusal for everything that a need might have expected."""
    refusals: list[Refusal] = []
    finder = BaseFinder(host, tuple(needs), policy, assess, rating, refusals)
    bases = [base for served in served_models(needs, catalog, policy, refusals) for base in finder.bases(served)]
    margin = max((rating.diversity_points(need) for need in needs), default=0.0)
    deployables: dict[str, Deployable] = {}
    offers: list[Offer] = []
    for base in frontier(bases, host, len(needs), margin):
        for name, deployable, values in _expanded(base, needs, rating):
            deployables[name] = deployable
            offers += [Offer(need.id, name, value, need.slots) for need, value in values]
    problem = Problem(
        needs=tuple(Need(need.id, need.required) for need in needs),
        pools={pool.id: pool.budget_bytes for pool in host.pools},
        candidates=tuple(_candidate(name, deployable, host) for name, deployable in deployables.items()),
        offers=tuple(offers),
        disk_bytes=host.disk.free_bytes if host.disk else None,
        diversities=tuple(_diversities(needs, rating)),
        distinct=_distinct(needs),
    )
    offered = sum(len(base.contexts) * len(base.merits) for base in bases) * len(TIERS)
    return Options(problem, deployables, tuple(needs), tuple(refusals), offered)


def served_models(
    needs: Sequence[RoleNeed], catalog: Catalog, policy: Policy, refusals: list[Refusal]
) -> Iterator[Served]:
    """Every model with the needs that it may serve, by engine, mode and whether it is given its eyes."""
    for model in catalog.models:
        willing: list[RoleNeed] = []
        for need in needs:
            if refusal := model_obstacle(need, model, policy):
                refusals.append(refusal)
            else:
                willing.append(need)
        if willing:
            yield from _served(model, willing, catalog, policy, refusals)


def _served(
    model: Model, needs: list[RoleNeed], catalog: Catalog, policy: Policy, refusals: list[Refusal]
) -> Iterator[Served]:
    files: dict[tuple[str, str, bool], list[Artifact]] = {}
    takers: dict[tuple[str, str, bool], dict[str, RoleNeed]] = {}
    for artifact in _without_twins(model.artifacts):
        for need in needs:
            engine = engine_for(need, artifact, catalog.engines, policy)
            if refusal := artifact_obstacle(need, artifact):
                refusals.append(refusal)
            elif engine is None:
                refusals.append(Refusal(need.id, model.id, "no-engine", artifact.id, artifact.format))
            else:
                for vision in (False, True) if IMAGE not in need.role.inputs else (True,):
                    group = (engine.id, need.role.mode, vision)
                    takers.setdefault(group, {})[need.id] = need
                    if artifact not in files.setdefault(group, []):
                        files[group].append(artifact)
    for (engine_id, mode, vision), artifacts in files.items():
        group_needs = tuple(takers[(engine_id, mode, vision)].values())
        if not vision or any(IMAGE in need.role.inputs for need in group_needs):
            yield Served(model, engine_id, mode, vision, tuple(artifacts), group_needs)


def _without_twins(artifacts: Iterable[Artifact]) -> Iterator[Artifact]:
    """One artifact of each format, quantisation and size: the catalog's first repository speaks for its twins."""
    seen: set[tuple[str, str, int, bool]] = set()
    for artifact in artifacts:
        mark = (artifact.format, artifact.quantisation, artifact.file_bytes, bool(artifact.projector_bytes))
        if mark not in seen:
            seen.add(mark)
            yield artifact


def _expanded(
    base: Base, needs: Sequence[RoleNeed], rating: Rating
) -> Iterator[tuple[str, Deployable, list[tuple[RoleNeed, int]]]]:
    asking = [(needs[position], merit) for position, merit in base.merits]
    for context, taken in zip(base.contexts, base.taken, strict=True):
        configuration = base.configuration(context)
        memory = sum(pool.fixed_bytes + pool.per_slot_bytes for pool in taken.pools)
        worth = [
            (need, merit * rating.context_factor(need, context) * rating.memory_factor(need, memory))
            for need, merit in asking
            if context >= need.context_floor_tokens
        ]
        for tier in TIERS:
            values = [
                (need, round(points * rating.tier_factor(need, tier) * need.priority * VALUE_PER_POINT))
                for need, points in worth
                if not need.tier_pinned or need.tier == tier
            ]
            if values:
                yield f"{configuration.name}|{tier}", Deployable(configuration, tier, taken, base.speed), values


def _candidate(name: str, deployable: Deployable, host: Host) -> Candidate:
    configuration = deployable.configuration
    group = f"warm-{place_name(Placement(configuration.placement.devices))}" if deployable.tier == "warm" else ""
    return Candidate(
        id=name,
        key=f"{configuration.model.id}@{configuration.engine}/{configuration.mode}",
        tier=deployable.tier,
        takes=deployable.taken.for_tier(deployable.tier, host),
        files=((configuration.artifact.id, configuration.disk_bytes),),
        swap_group=group,
        lineage=configuration.model.lineage,
    )


def _diversities(needs: Sequence[RoleNeed], rating: Rating) -> Iterator[Diversity]:
    for need in needs:
        penalty = round(rating.diversity_points(need) * need.priority * VALUE_PER_POINT)
        for other in needs:
            if penalty and other.role.id in need.role.checks and other.id != need.id:
                yield Diversity(need.id, other.id, penalty)


def _distinct(needs: Sequence[RoleNeed]) -> tuple[tuple[str, ...], ...]:
    pools: dict[str, list[str]] = {}
    for need in needs:
        if need.pool:
            pools.setdefault(need.pool, []).append(need.id)
    return tuple(tuple(members) for members in pools.values())
