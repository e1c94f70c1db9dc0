"""What ways to run a model are worth, before anything is asked about memory: quality, cache type and speed together.

Speed and quality are told in a few additions; what buffers and caches take costs far more to tell. So the files of a
prospect are rated first, and only those whose worth could matter at their bare weights are worked out (`bases`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from msgspec import Struct

from stackplan.assess import Assess
from stackplan.bare import File
from stackplan.catalog import Artifact
from stackplan.configuration import WHOLE_TEXT_MODES, Ahead, Configuration, place_name
from stackplan.contexts import context_steps
from stackplan.curves import Curves
from stackplan.dominated import Undominated
from stackplan.eligibility import Refusal
from stackplan.hardware import Host
from stackplan.needs import RoleNeed
from stackplan.proposers import Proposers
from stackplan.prospects import Prospect, Served
from stackplan.rating import Rating
from stackplan.serving import Placement, SpeedEstimate
from stackplan.taken import PoolTaken, Taken


class Way(Struct, frozen=True, eq=False):
    """One file in one place with one KV type, and what proposes tokens to it, if anything does.

    ``merits`` are the points that each need (by its place in the request) gets of it before context and tier.
    """

    served: Served
    artifact: Artifact
    placement: Placement
    kv_type: str
    speed: SpeedEstimate | None
    merits: tuple[tuple[int, float], ...]
    contexts: tuple[int, ...]
    ahead: Ahead | None

    def configuration(self, context_tokens: int) -> Configuration:
        """The way at one context."""
        return _configuration(self.served, self.artifact, context_tokens, self.kv_type, self.placement, self.ahead)

    @property
    def name(self) -> str:
        """What tells it from other ways, whatever the context."""
        return self.configuration(0).name

    @property
    def files(self) -> tuple[tuple[str, int], ...]:
        """Its artifacts with the bytes that each takes on disk."""
        return self.configuration(0).files

    @property
    def is_whole(self) -> bool:
        """Whether all of the model is where its placement says, none of it left in host memory."""
        return not self.placement.is_cut


class Lot(Struct, frozen=True, eq=False):
    """One file of a prospect with ways to run it there; none takes less than ``least`` of any pool.

    ``best`` are the most points that any of them is worth, by place of the need in the request.
    """

    served: Served
    placement: Placement
    ways: tuple[Way, ...]
    best: tuple[tuple[int, float], ...]
    least: Taken


Rated = tuple[Way, File]  # and what the file adds to memory there


@dataclass(slots=True, repr=False)
class Rater:
    """Rates the files of prospects on one host; what is refused on the way is gathered."""

    host: Host
    needs: tuple[RoleNeed, ...]
    assess: Assess
    rating: Rating
    proposers: Proposers
    curves: Curves
    refusals: list[Refusal]
    positions: Mapping[str, int]
    _known: dict[tuple[Prospect, str], tuple[Rated, ...]] = field(default_factory=dict)
    _grids: dict[str, tuple[int, ...]] = field(default_factory=dict)
    _spans: dict[tuple[str, int, int], tuple[int, ...]] = field(default_factory=dict)
    _budgets: dict[str, int] = field(default_factory=dict)
    _pools: dict[Placement, tuple[str, ...]] = field(default_factory=dict)
    _cached: dict[tuple[str, str], bool] = field(default_factory=dict)

    def lot(self, prospect: Prospect, file: Artifact, undominated: Undominated) -> Lot | None:
        """The ways to run a file of a prospect that no other way of it makes pointless; None where there are none."""
        kept = [
            (way, held)
            for way, held in self._rated(prospect, file)
            if undominated.admits(way, held.weights + held.vocabulary)
        ]
        if not kept:
            return None
        ways, files = zip(*kept, strict=True)
        return Lot(prospect.served, prospect.placement, ways, _best(ways), self._least(prospect.placement, files))

    def _rated(self, prospect: Prospect, file: Artifact) -> tuple[Rated, ...]:
        """The ways that are worth something to somebody, if the weights fit; worked out once."""
        key = (prospect, file.id)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = tuple(self._fitting(prospect, file))
        return known

    def _fitting(self, prospect: Prospect, file: Artifact) -> list[Rated]:
        served, placement, contexts = prospect.served, prospect.placement, self._contexts(prospect.served)
        if not contexts:
            return []
        needs = [need for need in served.needs if _may_have(need, placement, file)]
        held = self.curves.file(_configuration(served, file, contexts[0], "f16", placement))
        if short := self._hopeless(placement, held):
            self._refuse(file, placement, needs, *short)
            return []
        ways = list(self._ways(prospect, file, needs, contexts))
        if ways and (short := self._overweight(placement, held)):  # what is too slow would not do with more memory
            self._refuse(file, placement, [self.needs[position] for position, _ in _best(ways)], *short)
            return []
        return [(way, self.curves.file(way.configuration(contexts[0])) if way.ahead else held) for way in ways]

    def budget(self, pool: str) -> int:
        """Bytes that a pool has to give."""
        if not self._budgets:
            self._budgets = {pool.id: pool.budget_bytes for pool in self.host.pools}
        return self._budgets[pool]

    def _ways(
        self, prospect: Prospect, file: Artifact, needs: list[RoleNeed], contexts: tuple[int, ...]
    ) -> Iterator[Way]:
        served, placement = prospect.served, prospect.placement
        for kv_type in _kv_types(needs, prospect.kv_types, cached=self._has_cache(served)):
            configuration = _configuration(served, file, contexts[0], kv_type, placement)
            speed = self.assess.speed(configuration)
            asking = [need for need in needs if need.kv_type in (None, kv_type)]
            if merits := tuple(self._merits(configuration, speed, asking)):
                way = Way(served, file, placement, kv_type, speed, merits, contexts, None)
                yield way
                yield from self._accelerated(way, configuration)

    def _accelerated(self, way: Way, plainly: Configuration) -> Iterator[Way]:
        """The way with proposed tokens, where some need that allows them gains by it; every floor holds without."""
        willing = [self.needs[position] for position, _ in way.merits if self.needs[position].role.speculation]
        if not willing:
            return
        plain = dict(way.merits)
        for ahead, speed in self.proposers.ways(plainly, way.speed, willing):
            merits = tuple(self._merits(plainly, speed, willing))
            if any(merit > plain[position] for position, merit in merits):
                own = (way.served, way.artifact, way.placement, way.kv_type)
                yield Way(*own, speed, merits, way.contexts, ahead)

    def _merits(
        self, configuration: Configuration, speed: SpeedEstimate | None, needs: list[RoleNeed]
    ) -> Iterator[tuple[int, float]]:
        model, file, kv_type = configuration.model, configuration.artifact, configuration.kv_type
        for need in needs:
            merit = self.rating.merit(need, model, file, kv_type, speed)
            if merit is not None:
                yield self.positions[need.id], merit
            else:
                self.refusals.append(Refusal(need.id, model.id, "too-slow-or-weak", file.id))

    def _hopeless(self, placement: Placement, file: File) -> tuple[str, int] | None:
        """The first pool and the bytes missing where the weights exceed all that the placement may draw on."""
        cards = {self.host.device(device).pool for device in placement.devices}
        pools = cards if cards and not placement.is_cut else {*cards, self.host.host_pool.id}
        held = sum(size for pool, size in self._weights(placement, file) if pool in pools)
        missing = held - sum(self.budget(pool) for pool in pools)
        return (min(pools), missing) if missing > 0 else None

    def _overweight(self, placement: Placement, file: File) -> tuple[str, int] | None:
        """The pool that the weights alone exceed most, and by how much."""
        missing = [(size - self.budget(pool), pool) for pool, size in self._weights(placement, file)]
        short, pool = max(missing, default=(0, ""))
        return (pool, short) if short > 0 else None

    def _weights(self, placement: Placement, file: File) -> list[tuple[str, int]]:
        """Bytes of weights by pool; empty where the engine ties them to what it takes beside."""
        return list(zip(self._drawn_on(placement), file.weights, strict=False))

    def _least(self, placement: Placement, files: Iterable[File]) -> Taken:
        """The fewest weights by pool: whatever is beside them is more."""
        least = [min(one) for one in zip(*(self._weights(placement, file) for file in files), strict=True)]
        return Taken(tuple([PoolTaken(pool, size, 0, size) for pool, size in least]))

    def _drawn_on(self, placement: Placement) -> tuple[str, ...]:
        if placement not in self._pools:
            pools = {self.host.host_pool.id, *(self.host.device(device).pool for device in placement.devices)}
            self._pools[placement] = tuple(sorted(pools))
        return self._pools[placement]

    def _has_cache(self, served: Served) -> bool:
        key = (served.model.id, served.mode)
        if key not in self._cached:
            shape = served.model.architecture
            self._cached[key] = served.mode not in WHOLE_TEXT_MODES and shape is not None and shape.has_cache
        return self._cached[key]

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

    def _refuse(self, file: Artifact, placement: Placement, needs: Iterable[RoleNeed], pool: str, short: int) -> None:
        where = f"weights alone on {place_name(placement)}"
        self.refusals += [Refusal(need.id, file.model, "memory", file.id, where, pool, short) for need in needs]


def _configuration(
    served: Served, file: Artifact, context_tokens: int, kv_type: str, placement: Placement, ahead: Ahead | None = None
) -> Configuration:
    model, engine, mode = served.model, served.engine, served.mode
    return Configuration(model, file, engine, mode, context_tokens, kv_type, placement, served.vision, ahead)


def _may_have(need: RoleNeed, placement: Placement, file: Artifact) -> bool:
    here = need.device is None or need.device == place_name(Placement(placement.devices))
    return here and need.quantisation in (None, file.quantisation)


def _kv_types(needs: Sequence[RoleNeed], kv_types: Sequence[str], *, cached: bool) -> tuple[str, ...]:
    if not cached:
        return ("f16",)
    pinned = {need.kv_type for need in needs if need.kv_type}
    return tuple(dict.fromkeys((*kv_types, *sorted(pinned))))


def _best(ways: Iterable[Way]) -> tuple[tuple[int, float], ...]:
    best: dict[int, float] = {}
    for way in ways:
        for position, merit in way.merits:
            best[position] = max(merit, best.get(position, merit))
    return tuple(sorted(best.items()))
