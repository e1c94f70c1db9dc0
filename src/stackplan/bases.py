"""Ways to run one model in one place, each a curve over context: what options are made of.

A base fixes artifact, placement and KV type. What it takes at each context is the shape's part (cache, state, buffers:
the same for every quantisation) plus the file's part (weights), so that the shape is asked once for all files.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from operator import add, gt

from stackplan.assess import Assess
from stackplan.bare import loaded
from stackplan.catalog import Artifact
from stackplan.configuration import WHOLE_TEXT_MODES, Ahead, Configuration, place_name
from stackplan.contexts import context_steps
from stackplan.curves import Curves
from stackplan.dominated import Undominated
from stackplan.eligibility import Refusal
from stackplan.hardware import Host
from stackplan.needs import RoleNeed
from stackplan.proposers import Proposers
from stackplan.prospects import Prospect, Served, prospects_of
from stackplan.rating import Rating
from stackplan.serving import Placement, SpeedEstimate, Unestimable
from stackplan.stack import Policy
from stackplan.taken import Taken


@dataclass(frozen=True, slots=True)
class Base:
    """One file in one place with one KV type, and what proposes tokens to it, if anything does.

    ``merits`` are the points that each need (by its place in the request) gets of it before context and tier;
    ``least`` is what it takes at the first of ``contexts``, with one slot it fits its place alone.
    """

    served: Served
    artifact: Artifact
    placement: Placement
    kv_type: str
    speed: SpeedEstimate | None
    merits: tuple[tuple[int, float], ...]
    contexts: tuple[int, ...]
    least: Taken
    ahead: Ahead | None = None

    def configuration(self, context_tokens: int) -> Configuration:
        """The base at one context."""
        plain = _configuration(self.served, self.artifact, context_tokens, self.kv_type, self.placement)
        return replace(plain, ahead=self.ahead) if self.ahead else plain

    @property
    def is_whole(self) -> bool:
        """Whether all of the model is where its placement says, none of it left in host memory."""
        return not self.placement.is_cut


@dataclass(slots=True, repr=False)
class BaseFinder:
    """Finds the bases of models on one host, and their curves over context; refusals are gathered on the way."""

    host: Host
    needs: tuple[RoleNeed, ...]
    policy: Policy
    assess: Assess
    rating: Rating
    proposers: Proposers
    refusals: list[Refusal] = field(default_factory=list)
    _opened: dict[Prospect, tuple[Base, ...]] = field(default_factory=dict)
    _curves: Curves = field(init=False)
    _grids: dict[str, tuple[int, ...]] = field(default_factory=dict)
    _spans: dict[tuple[str, int, int], tuple[int, ...]] = field(default_factory=dict)
    _budgets: dict[str, int] = field(default_factory=dict)
    _rooms: dict[Placement, tuple[str, int]] = field(default_factory=dict)
    _positions: dict[str, int] = field(init=False)
    _cached: dict[tuple[str, str], bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Begin to remember curves."""
        self._curves = Curves(self.assess)
        self._positions = {need.id: position for position, need in enumerate(self.needs)}

    def holding(self, needs: tuple[RoleNeed, ...]) -> "BaseFinder":
        """The same for needs that are held otherwise: what was opened stays as it is."""
        other = replace(self, needs=needs)
        other._curves = self._curves
        return other

    def prospects(self, served: Iterable[Served]) -> tuple[Prospect, ...]:
        """Where models could run, before anything is estimated; who can run nowhere is refused."""
        found: list[Prospect] = []
        for one in served:
            own = tuple(prospects_of(one, self.host, self.policy, self.rating, self._positions))
            if all(prospect.placement.is_cut for prospect in own):
                self.refusals += [Refusal(n.id, one.model.id, "engine-backend", "", one.engine) for n in one.needs]
            found += own
        return tuple(found)

    def is_hopeless(self, prospect: Prospect) -> bool:
        """Whether the weights of every file alone exceed all that the placement may draw on."""
        return prospect.least_weight_bytes > self._room(prospect.placement)[1]

    def bases(self, prospect: Prospect) -> tuple[Base, ...]:
        """Every base of a prospect that fits its place alone; worked out once."""
        known = self._opened.get(prospect)
        if known is None:
            own, undominated = prospect, Undominated()
            by_file = (self._at(own.served, file, own.placement, own.kv_types) for file in own.files)
            known = self._opened[own] = tuple(base for found in by_file for base in found if undominated.admits(base))
        return known

    def curve(self, base: Base) -> list[tuple[int, Taken]]:
        """What the base takes at each context that fits its place alone, ascending."""
        first = base.configuration(base.contexts[0])
        file, slots = self._curves.file(first), sum(need.slots for need in base.served.needs)
        line = self._curves.shape(first, file.largest).over(base.contexts, file.largest, slots)
        fitting: list[tuple[int, Taken]] = []
        for context, point in zip(base.contexts, line, strict=True):
            if isinstance(point, Unestimable):
                break
            fixed = point.fixed_with(file)
            if any(map(gt, map(add, fixed, point.per_slot), map(self._budget, point.pools))):
                break  # a longer context never needs fewer bytes
            fitting.append((context, loaded(point, file, fixed)))
        return fitting

    def _at(self, served: Served, artifact: Artifact, placement: Placement, kv_types: Sequence[str]) -> Iterator[Base]:
        needs = [need for need in served.needs if _may_be_at(need, placement) and _may_be(need, artifact)]
        contexts = self._contexts(served) if needs else ()
        if not contexts:
            return
        if short := self._hopeless(artifact, placement):
            detail = f"weights alone on {place_name(placement)}"
            self.refusals += [Refusal(n.id, served.model.id, "memory", artifact.id, detail, *short) for n in needs]
            return
        for kv_type in _kv_types(needs, kv_types, cached=self._has_cache(served)):
            configuration = _configuration(served, artifact, contexts[0], kv_type, placement)
            speed = self.assess.speed(configuration)
            asking = [need for need in needs if need.kv_type in (None, kv_type)]
            merits = tuple(self._merits(served, artifact, kv_type, speed, asking))
            if not merits:
                continue
            least = self._taken(configuration)
            if isinstance(least, Unestimable):
                self._refuse(configuration, merits, least.reason, least.detail)
            elif short := self._shortfall(least):
                self._refuse(configuration, merits, "memory", "", *short)
            else:
                base = Base(served, artifact, placement, kv_type, speed, merits, contexts, least)
                yield base
                yield from self._accelerated(base, configuration)

    def _accelerated(self, base: Base, plainly: Configuration) -> Iterator[Base]:
        """The base with proposed tokens, where some need that allows them gains by it; every floor holds without."""
        willing = [self.needs[position] for position, _ in base.merits if self.needs[position].role.speculation]
        plain = dict(base.merits)
        for ahead, speed in self.proposers.ways(plainly, base.speed, willing):
            merits = tuple(self._merits(base.served, base.artifact, base.kv_type, speed, willing))
            if all(merit <= plain[position] for position, merit in merits):
                continue
            sped = replace(base, speed=speed, merits=merits, ahead=ahead)
            least = self._taken(sped.configuration(base.contexts[0]))
            if not isinstance(least, Unestimable) and not self._shortfall(least):
                yield replace(sped, least=least)

    def _hopeless(self, artifact: Artifact, placement: Placement) -> tuple[str, int] | None:
        """The pool and the bytes missing when the weights alone exceed all that a placement may draw on."""
        table = artifact.weights
        if table is None:
            return None
        needed = table.tensor_bytes - table.input_bytes if placement.devices else table.tensor_bytes
        pool, room = self._room(placement)
        missing = needed - table.prediction_bytes - room
        return (pool, missing) if missing > 0 else None

    def _has_cache(self, served: Served) -> bool:
        key = (served.model.id, served.mode)
        if key not in self._cached:
            shape = served.model.architecture
            self._cached[key] = served.mode not in WHOLE_TEXT_MODES and shape is not None and shape.has_cache
        return self._cached[key]

    def _room(self, placement: Placement) -> tuple[str, int]:
        """The bytes of all pools that a placement may draw on, and the first of them."""
        if placement not in self._rooms:
            pools = {self.host.device(device).pool for device in placement.devices}
            if not placement.devices or placement.is_cut:
                pools.add(self.host.host_pool.id)
            self._rooms[placement] = (min(pools), sum(self._budget(pool) for pool in pools))
        return self._rooms[placement]

    def _budget(self, pool: str) -> int:
        if not self._budgets:
            self._budgets = {pool.id: pool.budget_bytes for pool in self.host.pools}
        return self._budgets[pool]

    def _merits(
        self, served: Served, artifact: Artifact, kv_type: str, speed: SpeedEstimate | None, needs: list[RoleNeed]
    ) -> Iterator[tuple[int, float]]:
        for need in needs:
            merit = self.rating.merit(need, served.model, artifact, kv_type, speed)
            if merit is not None:
                yield self._positions[need.id], merit
            else:
                self.refusals.append(Refusal(need.id, served.model.id, "too-slow-or-weak", artifact.id))

    def _contexts(self, served: Served) -> tuple[int, ...]:
        """One grid for all models of a mode, up to what the model was trained for."""
        least = min([need.context_floor_tokens for need in served.needs])
        key = (served.mode, least, served.model.context_tokens)
        if key not in self._spans:
            self._spans[key] = tuple(step for step in self._grid(served.mode) if least <= step <= key[2])
        return self._spans[key]

    def _grid(self, mode: str) -> tuple[int, ...]:
        if mode not in self._grids:
            alike = [need for need in self.needs if need.role.mode == mode]
            steps = (context_steps(need.context_floor_tokens, need.context_wish_tokens) for need in alike)
            self._grids[mode] = tuple(sorted({step for grid in steps for step in grid}))
        return self._grids[mode]

    def _taken(self, configuration: Configuration) -> Taken | Unestimable:
        file = self._curves.file(configuration)
        point = self._curves.shape(configuration, file.largest).at(configuration.context_tokens)
        return point if isinstance(point, Unestimable) else loaded(point, file)

    def _shortfall(self, taken: Taken) -> tuple[str, int] | None:
        """The pool that misses most, and how much, when one instance with one slot does not fit alone."""
        missing = [(p.fixed_bytes + p.per_slot_bytes - self._budget(p.pool), p.pool) for p in taken.pools]
        worst, pool_id = max(missing)
        return (pool_id, worst) if worst > 0 else None

    def _refuse(
        self,
        configuration: Configuration,
        merits: tuple[tuple[int, float], ...],
        reason: str,
        detail: str,
        pool: str = "",
        missing: int = 0,
    ) -> None:
        where = detail or f"{configuration.context_tokens} tokens on {place_name(configuration.placement)}"
        for position, _ in merits:
            need, model = self.needs[position].id, configuration.model.id
            self.refusals.append(Refusal(need, model, reason, configuration.artifact.id, where, pool, missing))


def _configuration(
    served: Served, artifact: Artifact, context_tokens: int, kv_type: str, placement: Placement
) -> Configuration:
    return Configuration(
        served.model, artifact, served.engine, served.mode, context_tokens, kv_type, placement, served.vision
    )


def _may_be_at(need: RoleNeed, placement: Placement) -> bool:
    return need.device is None or need.device == place_name(Placement(placement.devices))


def _kv_types(needs: Sequence[RoleNeed], kv_types: Sequence[str], *, cached: bool) -> tuple[str, ...]:
    if not cached:
        return ("f16",)
    pinned = {need.kv_type for need in needs if need.kv_type}
    return tuple(dict.fromkeys((*kv_types, *sorted(pinned))))


def _may_be(need: RoleNeed, artifact: Artifact) -> bool:
    return need.quantisation in (None, artifact.quantisation)
