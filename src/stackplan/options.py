"""The option space: every way to serve every need, with what it takes and what it is worth; or why it is not offered.

Pure: catalog and host in, offers and refusals out. An option is a configuration (model, artifact, engine, context, KV
type, placement) in a tier, offered to a need; `problem` holds them as plain numbers, this module remembers what they
mean.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain

from msgspec import Struct

from stackplan.bases import Base, BaseFinder
from stackplan.catalog import Artifact, Catalog, Engine, Model
from stackplan.configuration import Configuration
from stackplan.eligibility import IMAGE, Refusal, artifact_obstacle, engine_for, model_obstacle, sees
from stackplan.hardware import Host
from stackplan.needs import RoleNeed, pools_of
from stackplan.problem import TIERS, Candidate, Diversity, Need, Offer, Problem, Tier
from stackplan.prospects import Served
from stackplan.rating import Rating
from stackplan.serving import Placement, SpeedEstimate
from stackplan.stack import Policy
from stackplan.taken import Taken

# Utility points are rounded to thousandths, so that sums are exact integers.
VALUE_PER_POINT = 1000
_RANKS: dict[str, int] = {tier: rank for rank, tier in enumerate(TIERS)}


class Deployable(Struct, frozen=True):
    """A configuration in a tier: what a candidate of the problem means."""

    configuration: Configuration
    tier: Tier
    taken: Taken
    speed: SpeedEstimate | None


class Column(Struct, frozen=True):
    """A deployable with what it is worth to each need that it may serve."""

    candidate: Candidate
    deployable: Deployable
    offers: tuple[Offer, ...]


def served_models(
    needs: Sequence[RoleNeed], catalog: Catalog, policy: Policy, refusals: list[Refusal]
) -> Iterator[Served]:
    """Every model with the needs that it may serve, by engine, mode and whether it is given its eyes."""
    engines = _Engines(catalog, policy)
    for model in catalog.models:
        willing: list[RoleNeed] = []
        for need in needs:
            if refusal := model_obstacle(need, model, policy):
                refusals.append(refusal)
            else:
                willing.append(need)
        if willing:
            yield from _served(model, willing, engines, refusals)


def columns_of(base: Base, finder: BaseFinder) -> Iterator[Column]:
    """Every option of a base: each context that fits its place alone, in each tier."""
    for context, taken in finder.curve(base):
        for tier in TIERS:
            column = column_of(base, context, taken, tier, finder)
            if column is not None:
                yield column


def empty_problem(host: Host, needs: Sequence[RoleNeed], rating: Rating) -> Problem:
    """The problem with its needs, budgets and rules, and nothing offered yet."""
    return Problem(
        needs=tuple(Need(need.id, need.required) for need in needs),
        pools={pool.id: pool.budget_bytes for pool in host.pools},
        candidates=(),
        offers=(),
        disk_bytes=host.disk.free_bytes if host.disk else None,
        diversities=tuple(_diversities(needs, rating)),
        distinct=_distinct(needs),
    )


@dataclass(slots=True)
class _Engines:
    """Who serves what: the same for all artifacts that the same engines read."""

    catalog: Catalog
    policy: Policy
    _known: dict[tuple[str, tuple[str, ...]], Engine | None] = field(default_factory=dict)

    def of(self, need: RoleNeed, artifact: Artifact) -> Engine | None:
        """See `eligibility.engine_for`."""
        key = (need.id, artifact.engines)
        if key not in self._known:
            self._known[key] = engine_for(need, artifact, self.catalog.engines, self.policy)
        return self._known[key]


def _served(model: Model, needs: list[RoleNeed], engines: "_Engines", refusals: list[Refusal]) -> Iterator[Served]:
    files: dict[tuple[str, str, bool], dict[int, list[Artifact]]] = {}
    takers: dict[tuple[str, str, bool], dict[str, RoleNeed]] = {}
    for number, alike in enumerate(_alike(_without_twins(model.artifacts), needs)):
        for need in needs:
            engine = engines.of(need, alike[0])
            if artifact_obstacle(need, alike[0]):
                refusals += filter(None, (artifact_obstacle(need, artifact) for artifact in alike))
            elif engine is None:
                refusals += [Refusal(need.id, model.id, "no-engine", own.id, own.format) for own in alike]
            else:
                for vision in (False, True) if IMAGE not in need.role.inputs else (True,):
                    group = (engine.id, need.role.mode, vision)
                    takers.setdefault(group, {})[need.id] = need
                    files.setdefault(group, {})[number] = alike
    for (engine_id, mode, vision), several in files.items():
        group_needs = tuple(takers[(engine_id, mode, vision)].values())
        if not vision or any(IMAGE in need.role.inputs for need in group_needs):
            engine, own = engines.catalog.engine(engine_id), tuple(chain.from_iterable(several.values()))
            spreads = engine.spreads_over_devices
            yield Served(model, engine_id, mode, vision, own, group_needs, engine.backends, spreads)


def _alike(artifacts: Iterable[Artifact], needs: Iterable[RoleNeed]) -> Iterable[list[Artifact]]:
    """Artifacts that the same engines serve to the same needs."""
    pinned, found = {need.quantisation for need in needs}, dict[tuple[object, ...], list[Artifact]]()
    for artifact in artifacts:
        quantisation = artifact.quantisation if artifact.quantisation in pinned else ""
        found.setdefault((artifact.engines, sees(artifact), quantisation), []).append(artifact)
    return found.values()


def _without_twins(artifacts: Iterable[Artifact]) -> Iterator[Artifact]:
    """One artifact of each format, quantisation and size: the catalog's first repository speaks for its twins."""
    seen: set[tuple[str, str, int, bool]] = set()
    for artifact in artifacts:
        mark = (artifact.format, artifact.quantisation, artifact.file_bytes, bool(artifact.projector_bytes))
        if mark not in seen:
            seen.add(mark)
            yield artifact


def column_of(base: Base, context: int, taken: Taken, tier: Tier, finder: BaseFinder) -> Column | None:
    """The option of a base at one context in one tier; None when no need would have it."""
    configuration = base.configuration(context)
    name = candidate_name(configuration, tier)
    memory = sum(pool.fixed_bytes + pool.per_slot_bytes for pool in taken.pools)
    offers: list[Offer] = []
    for position, merit in base.merits:
        need = finder.needs[position]
        if context >= need.context_floor_tokens and may_be_in(need, tier):
            left = finder.rating.left(need, context, tier, memory)
            offers.append(Offer(need.id, name, round(merit * left * need.priority * VALUE_PER_POINT), need.slots))
    if not offers:
        return None
    return Column(
        candidate=Candidate(
            id=name,
            key=base.served.key,
            tier=tier,
            takes=taken.for_tier(tier, finder.host),
            files=configuration.files,
            swap_group=swap_group(configuration.engine, configuration.placement) if tier == "warm" else "",
            lineage=configuration.model.lineage,
        ),
        deployable=Deployable(configuration, tier, taken, base.speed),
        offers=tuple(offers),
    )


def candidate_name(configuration: Configuration, tier: Tier) -> str:
    """The name of the candidate that a configuration is in a tier."""
    return f"{configuration.name}|{tier}"


def may_be_in(need: RoleNeed, tier: Tier) -> bool:
    """Whether a need may be served in a tier: the one it demands, else no more than one below what it wishes.

    What is wished to be there at once may have to be loaded, but never has to be started by hand.
    """
    if need.tier_pinned:
        return need.tier == tier
    return _RANKS[tier] <= _RANKS[need.tier] + 1


def swap_group(engine: str, placement: Placement) -> str:
    """Where WARM instances take turns: one place under one engine, since no engine makes another one let go."""
    return f"warm-{engine}-{'+'.join(placement.devices) or 'cpu'}"


def _diversities(needs: Sequence[RoleNeed], rating: Rating) -> Iterator[Diversity]:
    for need in needs:
        penalty = round(rating.diversity_points(need) * need.priority * VALUE_PER_POINT)
        for other in needs:
            if penalty and other.role.id in need.role.checks and other.id != need.id:
                yield Diversity(need.id, other.id, penalty)


def _distinct(needs: Sequence[RoleNeed]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(need.id for need in members) for members in pools_of(needs))
