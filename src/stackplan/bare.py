"""What a model takes without its weights: asked once, it serves every file of the model.

llama.cpp's bytes are a sum of weights, which go where the layers go, and of what the shape alone decides. Only a model
that is partly in host memory ties the two: the largest tensor left there is staged on the card when it is needed, in a
buffer that is the widest of several. That buffer is found by asking about files whose largest tensor is tiny and huge.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import add

from msgspec import Struct

from stackplan.architecture import WeightTable
from stackplan.catalog import Artifact
from stackplan.configuration import Configuration
from stackplan.hardware import Basis
from stackplan.serving import Placement, Unestimable
from stackplan.taken import PoolTaken, Taken
from stackplan.values import replace

SEPARABLE_ENGINES = frozenset({"llama.cpp", "ollama"})  # their answer is weights and a shape
_HUGE = 1 << 60  # bytes: more than everything else of any model together, so that it shows in a sum

Largest = tuple[int, int]  # bytes of the largest tensor of a layer, and of the largest expert stack
Ask = Callable[[Configuration, int], Taken | Unestimable]


class File(Struct, frozen=True):
    """What a file adds to what its model takes in one place: weights by pool, and the largest tensors to stage.

    ``vocabulary`` is what the server keeps of the file's header, by pool like the weights.
    """

    weights: tuple[int, ...]
    largest: Largest
    vocabulary: tuple[int, ...] = ()


NOTHING = File((), (0, 0))


@dataclass(frozen=True, slots=True)
class Staging:
    """What staging could make of the fixed bytes of one pool: ``room_bytes + copies * largest[kind]``, at least."""

    position: int
    kind: int
    room_bytes: int
    copies: int


class Bare(Struct, frozen=True):
    """What a model takes without its file's weights, pool by pool: ``fixed + per_slot * slots``.

    ``weights`` of it are weights all the same: of what is loaded beside the file.
    """

    pools: tuple[str, ...]
    fixed: tuple[int, ...]
    per_slot: tuple[int, ...]
    weights: tuple[int, ...]
    staging: tuple[Staging, ...] = ()

    def fixed_with(self, file: File) -> list[int]:
        """Fixed bytes by pool once ``file`` is loaded."""
        held = file.weights or (0,) * len(self.pools)
        fixed = list(map(add, self.fixed, held))
        for one in self.staging:
            staged = one.room_bytes + one.copies * file.largest[one.kind] + held[one.position]
            fixed[one.position] = max(fixed[one.position], staged)
        return list(map(add, fixed, file.vocabulary)) if file.vocabulary else fixed


def separable(configuration: Configuration) -> bool:
    """Whether what the configuration takes is what its model takes without weights, and the weights."""
    known = configuration.model.architecture is not None and configuration.artifact.weights is not None
    return known and configuration.engine in SEPARABLE_ENGINES


def staged_largest(artifact: Artifact, placement: Placement) -> Largest:
    """The largest tensors that a file may have to stage; none where all of it is where its placement says."""
    if artifact.weights is None or not placement.is_cut:
        return (0, 0)
    return (artifact.weights.largest_layer_tensor_bytes, artifact.weights.largest_expert_tensor_bytes)


@lru_cache(maxsize=4096)
def like_of(placement: Placement) -> Placement:
    """The placement that stands for those with the same bytes beside weights: cache and buffers stay on the card."""
    return replace(placement, cpu_expert_layers=1) if placement.cpu_expert_layers > 1 else placement


def bare(configuration: Configuration, slots: int, largest: Largest, ask: Ask) -> Bare | Unestimable:
    """What the configuration takes without weights, if it has tensors to stage like those of ``largest``."""
    tiny = (min(largest[0], 1), min(largest[1], 1))
    found = ask(_empty(configuration, tiny), slots)
    if isinstance(found, Unestimable):
        return found
    staging: list[Staging] = []
    for kind in (0, 1):
        if tiny[kind]:
            asked = (_HUGE, tiny[1]) if kind == 0 else (tiny[0], _HUGE)
            staging += _stagings(kind, ask(_empty(configuration, asked), slots))
    return whole(found, tuple(staging))


def whole(taken: Taken, staging: tuple[Staging, ...] = ()) -> Bare:
    """What a file takes of an engine that ties weights and the rest together, as if it were all the model's."""
    pools, fixed, per_slot, weights = zip(*taken.pools, strict=True)
    return Bare(pools, fixed, per_slot, weights, staging)


def _stagings(kind: int, huge: Taken | Unestimable) -> list[Staging]:
    if isinstance(huge, Unestimable):
        return []
    parts = ((position, *divmod(pool.fixed_bytes, _HUGE)) for position, pool in enumerate(huge.pools))
    return [Staging(position, kind, room, copies) for position, copies, room in parts if copies]


def _empty(configuration: Configuration, largest: Largest) -> Configuration:
    """The configuration with a file without bytes in place of its own, and without its eyes."""
    shape, own = configuration.model.architecture, configuration
    file = _file(len(shape.layers) if shape else 0, largest)
    way = (own.engine, own.mode, own.context_tokens, own.kv_type, like_of(own.placement))
    return Configuration(own.model, file, *way, vision=False, ahead=own.ahead, saved=own.saved)


@lru_cache(maxsize=1024)
def _file(blocks: int, largest: Largest) -> Artifact:
    nothing = (0,) * blocks
    table = WeightTable(0, 0, nothing, nothing, 0, 0, 0, 0, *largest)
    return Artifact("", "", "gguf", "", "", 0, Basis.DERIVED, weights=table)


def loaded(point: Bare, file: File) -> Taken:
    """What a configuration takes with its file."""
    weights = map(add, point.weights, file.weights) if file.weights else point.weights
    return Taken(tuple(map(PoolTaken, point.pools, point.fixed_with(file), point.per_slot, weights)))


def reordered(own: Sequence[str], pools: Mapping[str, str]) -> tuple[list[int], tuple[str, ...]]:
    """Where each pool comes from once those in ``pools`` have other names, and the names: pools go by name."""
    named = [pools.get(pool, pool) for pool in own]
    order = sorted(range(len(named)), key=named.__getitem__)
    return order, tuple([named[one] for one in order])


def renamed(point: Bare, pools: Mapping[str, str]) -> Bare:
    """The same on a device that is like the one asked about: in ``pools`` of other names."""
    order, names = reordered(point.pools, pools)
    amounts = (point.fixed, point.per_slot, point.weights)
    fixed, per_slot, weights = (tuple([each[one] for one in order]) for each in amounts)
    staging = tuple([replace(one, position=order.index(one.position)) for one in point.staging])
    return Bare(names, fixed, per_slot, weights, staging)
