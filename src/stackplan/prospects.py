"""Ways to run a model that nobody has looked at closely: where, in which files, and what they could be worth at best.

Working out what takes how much and how fast it is costs far more than telling that it could not matter. A prospect is
told from the catalog alone; only what could be part of a better choice is opened (`bases`).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from stackplan.catalog import Artifact, Model
from stackplan.dominated import EXPERT_SPACING, LAYER_SPACING, best_files, spaced
from stackplan.estimate.kv_cache import cache_obstacle
from stackplan.estimate.speed_traffic import KV_ELEMENT_BYTES
from stackplan.hardware import Host
from stackplan.needs import RoleNeed
from stackplan.placements import partial_placements, runs_at, whole_placements
from stackplan.rating import Rating
from stackplan.serving import Placement, Serving
from stackplan.stack import Policy


@dataclass(frozen=True, slots=True)
class Served:
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


@dataclass(frozen=True, slots=True, eq=False)
class Prospect:
    """A model in one engine at one placement: the ``files`` and cache types that it could have there.

    ``best`` are points that no way to run it there exceeds, by place of the need in the request.
    """

    served: Served
    placement: Placement
    files: tuple[Artifact, ...]
    kv_types: tuple[str, ...]
    best: tuple[tuple[int, float], ...]

    @property
    def least_weight_bytes(self) -> int:
        """Bytes of weights that any of the files holds in all that the placement draws on; 0 where nobody knows.

        What is not taken counts as not there: input embeddings stay in host memory, prediction heads may be left out.
        """
        tables = [file.weights for file in self.files]
        known = [table for table in tables if table is not None]
        if not known or len(known) < len(tables):
            return 0
        onto_cards = bool(self.placement.devices)
        return min(
            table.tensor_bytes - table.prediction_bytes - (table.input_bytes if onto_cards else 0) for table in known
        )


def prospects_of(
    served: Served, host: Host, policy: Policy, rating: Rating, positions: dict[str, int]
) -> Iterator[Prospect]:
    """Every place where the model could run, by preference, with the files that are worth asking about there.

    Every way is offered on every machine that it fits, so that more memory never takes one away; what another file of
    the model does as well in the same place with no more bytes is left out.
    """
    shape = served.model.architecture
    partial = partial_placements(host, shape, policy) if shape and served.mode == "chat" else ()
    partial = _reached(served, host, partial)
    pinned = {need.quantisation for need in served.needs if need.quantisation}
    files = best_files(served.artifacts, pinned, lambda file: rating.kept(served.model, file, "f16"))
    best = tuple(_best(served, files, rating, positions))
    for place in _reached(served, host, whole_placements(host, policy)):
        yield Prospect(served, place, files, policy.kv_types, best)
    if partial:
        spacing = EXPERT_SPACING if any(place.cpu_expert_layers for place in partial) else LAYER_SPACING
        cut, thrifty = spaced(files, pinned, spacing), _thriftiest(served, policy)
        for place in partial:
            yield Prospect(served, place, cut, thrifty, best)


def _best(
    served: Served, files: tuple[Artifact, ...], rating: Rating, positions: dict[str, int]
) -> Iterator[tuple[int, float]]:
    kept = max((rating.kept(served.model, file, "f16") for file in files), default=0.0)
    for need in served.needs:
        begun = rating.begun(need, served.model)
        if begun is not None:
            yield positions[need.id], begun * kept


def _reached(served: Served, host: Host, places: tuple[Placement, ...]) -> tuple[Placement, ...]:
    most = len(host.devices) if served.spreads else 1
    return tuple(p for p in places if len(p.devices) <= most and runs_at(host, p, served.backends))


def _thriftiest(served: Served, policy: Policy) -> tuple[str, ...]:
    """The policy's smallest type that the model's heads allow: what is cut is short of the card's memory anyway."""
    shape = served.model.architecture
    kinds = tuple(dict.fromkeys(shape.layers)) if shape else ()
    allowed = [
        kv_type
        for kv_type in policy.kv_types
        if shape and cache_obstacle(shape, kinds, Serving(1, kv_type_k=kv_type, kv_type_v=kv_type)) is None
    ]
    return (min(allowed, key=KV_ELEMENT_BYTES.__getitem__),) if allowed else tuple(policy.kv_types)
