"""Ways to run a model that nobody has looked at closely: where, in which files, and what they could be worth at best.

Working out what takes how much and how fast it is costs far more than telling that it could not matter. A prospect is
told from the catalog alone; only what could be part of a better choice is opened (`bases`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import inf

import numpy as np
from msgspec import Struct

from stackplan.architecture import Architecture
from stackplan.arrays import Floats, Integers
from stackplan.catalog import Artifact, Model
from stackplan.dominated import EXPERT_SPACING, LAYER_SPACING, best_files, spaced
from stackplan.estimate.engines import place_obstacle
from stackplan.estimate.kv_cache import cache_obstacle
from stackplan.estimate.speed_traffic import KV_ELEMENT_BYTES
from stackplan.file_bounds import FileBounder, Files
from stackplan.hardware import Host
from stackplan.needs import RoleNeed
from stackplan.placements import partial_placements, runs_at, whole_placements
from stackplan.rating import Rating
from stackplan.serving import Placement, Serving, Unestimable
from stackplan.stack import Policy


class Served(Struct, frozen=True):
    """A model in one engine and mode, the files it has there, and the needs that it may serve."""

    model: Model
    engine: str
    mode: str
    vision: bool
    artifacts: tuple[Artifact, ...]
    needs: tuple[RoleNeed, ...]
    backends: tuple[str, ...] = ()
    spreads: bool = True

    @property
    def key(self) -> str:
        """The name of the one instance that may run of it, whatever the engine."""
        return f"{self.model.id}/{self.mode}"


class Prospect(Struct, frozen=True, eq=False):
    """A model in one engine at one placement: the ``files`` and cache types that it could have there.

    No way to run a file there is worth more than ``worth`` (points by need of those ``served``, and file) or holds less
    than ``held`` (bytes by file and pool); ``most`` and ``least`` tell the same of all of them. ``best`` are the
    points of those needs that it may serve at all, by place of the need in the request.
    """

    served: Served
    files: tuple[Artifact, ...]
    kv_types: tuple[str, ...]
    placement: Placement
    worth: Floats
    held: Integers
    most: Floats  # by need
    least: Integers  # by pool
    least_weight_bytes: int  # of the lightest file, in all pools together; 0 where nobody knows
    best: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class _Places:
    """Where an engine runs models, whole and partly in host memory; and why it does not elsewhere, by reason."""

    whole: tuple[Placement, ...]
    partial: tuple[Placement, ...]
    every: tuple[Placement, ...]
    obstacles: dict[str, Unestimable]


class _Run(Struct, frozen=True, eq=False):
    """Files of what is served, to be bounded in places; its prospects go to ``found``."""

    served: Served
    placements: tuple[Placement, ...]
    artifacts: tuple[Artifact, ...]
    files: Files
    kv_types: tuple[str, ...]
    found: list[Prospect]


@dataclass(frozen=True, slots=True)
class Prospector:
    """Tells where models could run on a host, and what they could be worth there at best."""

    host: Host
    policy: Policy
    rating: Rating
    bounder: FileBounder
    positions: Mapping[str, int]
    _thrifty: dict[int, tuple[str, ...]] = field(default_factory=dict)
    _places: dict[tuple[str, int, bool], "_Places"] = field(default_factory=dict)
    _mixtures: dict[int, bool] = field(default_factory=dict)
    _known: dict[tuple[object, ...], tuple[tuple[Artifact, ...], Files]] = field(default_factory=dict)
    _whole: dict[tuple[Placement, ...], tuple[Placement, ...]] = field(default_factory=dict)

    def prospects(self, several: Sequence[Served]) -> list[list[Prospect]]:
        """Of each of several every place where it could run, by preference.

        Every way is offered on every machine that it fits, so that more memory never takes one away; what another
        file of the model does as well in the same place with no more bytes is left out.
        """
        runs = [list(self._runs(served)) for served in several]
        alike: dict[tuple[object, ...], list[_Run]] = {}
        for run in (run for own in runs for run in own):
            key = (id(run.placements), *[need.id for need in run.served.needs])
            alike.setdefault(key, []).append(run)
        for group in alike.values():
            self._bound(group)
        return [[prospect for run in own for prospect in run.found] for own in runs]

    def obstacles(self, served: Served) -> Mapping[str, Unestimable]:
        """Why it could not run elsewhere, by reason."""
        return self._places_of(served).obstacles

    def _runs(self, served: Served) -> Iterator[_Run]:
        places = self._places_of(served)
        if not places.every:
            return
        pinned = frozenset(need.quantisation for need in served.needs if need.quantisation)
        artifacts, files = self._files(served, pinned, places)
        split = len(places.whole)
        if places.whole:
            yield _Run(served, places.whole, artifacts, files.among(slice(split)), self.policy.kv_types, [])
        if places.partial:
            spacing = EXPERT_SPACING if any(place.cpu_expert_layers for place in places.partial) else LAYER_SPACING
            names = {file.id for file in spaced(artifacts, pinned, spacing)}
            chosen = [number for number, file in enumerate(artifacts) if file.id in names]
            few, thrifty = tuple([artifacts[number] for number in chosen]), self._thriftiest(served.model.architecture)
            yield _Run(served, places.partial, few, files.among(slice(split, None)).some(chosen), thrifty, [])

    def _files(self, served: Served, pinned: frozenset[str], places: _Places) -> tuple[tuple[Artifact, ...], Files]:
        """Files worth a look with what is known of them in all places: the same with eyes and without."""
        key = (pinned, served.mode, id(places), *map(id, served.artifacts))  # the catalog keeps them alive
        if key not in self._known:
            best = best_files(served.artifacts, pinned, partial(self.rating.kept, served.model, kv_type="f16"))
            artifacts, kept = tuple([file for file, _ in best]), np.array([kept for _, kept in best])
            own, chat = (served.model, served.engine, artifacts, kept), served.mode == "chat"
            self._known[key] = artifacts, self.bounder.files(*own, places.every, chat=chat)
        return self._known[key]

    def _bound(self, runs: Sequence[_Run]) -> None:
        """Tell the prospects of runs in the same places for the same needs."""
        needs, placements = runs[0].served.needs, runs[0].placements
        bounds = self.bounder.bounds(needs, placements, [run.files for run in runs])
        most: Floats = np.maximum.reduceat(bounds.worth, bounds.starts, axis=2).swapaxes(1, 2)
        least: Integers = np.minimum.reduceat(bounds.held, bounds.starts, axis=1)
        sizes = np.minimum.reduceat(bounds.held.sum(axis=2), bounds.starts, axis=1).tolist()
        points, numbers = most.tolist(), [self.positions[need.id] for need in needs]
        for number, (run, start) in enumerate(zip(runs, bounds.starts, strict=True)):
            own, end = (run.served, run.artifacts, run.kv_types), start + len(run.artifacts)
            worth, held = bounds.worth[:, :, start:end], bounds.held[:, start:end]
            for at, place in enumerate(placements):
                best = zip(numbers, points[at][number], strict=True)
                may = tuple([(need, one) for need, one in best if one > -inf])
                told = most[at, number], least[at, number], sizes[at][number]
                run.found.append(Prospect(*own, place, worth[at], held[at], *told, may))

    def _places_of(self, served: Served) -> "_Places":
        """The same for every model of an engine with so many blocks, of experts or not."""
        shape = served.model.architecture if served.mode == "chat" else None
        if shape is not None and id(shape) not in self._mixtures:  # the catalog keeps it alive
            self._mixtures[id(shape)] = shape.experts > 0
        key = (served.engine, shape.block_count if shape else -1, shape is not None and self._mixtures[id(shape)])
        if key not in self._places:
            obstacles: dict[str, Unestimable] = {}
            cut = partial_placements(self.host, shape, self.policy) if shape else ()
            cut = self._reached(served, cut, obstacles)
            whole = self._reached(served, whole_placements(self.host, self.policy), obstacles)
            whole = self._whole.setdefault(whole, whole)
            self._places[key] = _Places(whole, cut, (*whole, *cut), obstacles)
        return self._places[key]

    def _thriftiest(self, shape: Architecture | None) -> tuple[str, ...]:
        """The same for every file, engine and use of a model."""
        if id(shape) not in self._thrifty:  # the catalog keeps it alive
            self._thrifty[id(shape)] = _thriftiest(shape, tuple(self.policy.kv_types))
        return self._thrifty[id(shape)]

    def _reached(
        self, served: Served, places: tuple[Placement, ...], obstacles: dict[str, Unestimable]
    ) -> tuple[Placement, ...]:
        """The places where the engine runs models; notes in ``obstacles`` why it does not elsewhere, by reason."""
        most, found = len(self.host.devices) if served.spreads else 1, list[Placement]()
        for place in places:
            if len(place.devices) <= most and runs_at(self.host, place, served.backends):
                told = place_obstacle(served.engine, place)
                if told is None:
                    found.append(place)
                else:
                    obstacles[told.reason] = told
        return tuple(found)


def _thriftiest(shape: Architecture | None, kv_types: tuple[str, ...]) -> tuple[str, ...]:
    """The smallest type that the model's heads allow: what is cut is short of the card's memory anyway."""
    kinds = tuple(dict.fromkeys(shape.layers)) if shape else ()
    allowed = [
        kv_type
        for kv_type in kv_types
        if shape and cache_obstacle(shape, kinds, Serving(1, kv_type_k=kv_type, kv_type_v=kv_type)) is None
    ]
    return (min(allowed, key=KV_ELEMENT_BYTES.__getitem__),) if allowed else kv_types
