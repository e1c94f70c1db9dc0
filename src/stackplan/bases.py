"""Ways to run one model in one place, each a curve over context: what options are made of.

A base fixes artifact, placement and KV type. What it takes at each context is the shape's part (cache, state, buffers:
the same for every quantisation) plus the file's part (weights), so that the shape is asked once for all files.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from stackplan.assess import Assess, PoolTaken, Taken
from stackplan.catalog import Artifact, Model
from stackplan.configuration import WHOLE_TEXT_MODES, Configuration, place_name
from stackplan.contexts import context_steps
from stackplan.eligibility import Refusal
from stackplan.hardware import Host
from stackplan.needs import RoleNeed
from stackplan.placements import partial_placements, whole_placements
from stackplan.rating import Rating
from stackplan.serving import Placement, SpeedEstimate, Unestimable
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

    @property
    def key(self) -> str:
        """The name of the one instance that may run of it."""
        return f"{self.model.id}@{self.engine}/{self.mode}"


@dataclass(frozen=True, slots=True)
class Base:
    """One file in one place with one KV type: ``taken[i]`` is what it takes at ``contexts[i]``.

    ``merits`` are the points that each need (by its place in the request) gets of it before context and tier.
    """

    served: Served
    artifact: Artifact
    placement: Placement
    kv_type: str
    speed: SpeedEstimate | None
    merits: tuple[tuple[int, float], ...]
    contexts: tuple[int, ...]
    taken: tuple[Taken, ...]

    def configuration(self, context_tokens: int) -> Configuration:
        """The base at one context."""
        return _configuration(self.served, self.artifact, context_tokens, self.kv_type, self.placement)


@dataclass(frozen=True, slots=True)
class _File:
    """A file in one place: its speed and merits, before any context."""

    artifact: Artifact
    speed: SpeedEstimate | None
    merits: tuple[tuple[int, float], ...]


@dataclass(slots=True)
class BaseFinder:
    """Finds the bases of models on one host; refusals are gathered on the way."""

    host: Host
    needs: tuple[RoleNeed, ...]
    policy: Policy
    assess: Assess
    rating: Rating
    refusals: list[Refusal]

    def _contexts(self, served: Served) -> tuple[int, ...]:
        """One grid for all models of a mode, so that their curves can be compared point by point."""
        alike = [need for need in self.needs if need.role.mode == served.mode]
        steps = {
            step
            for need in alike
            for step in context_steps(need.context_floor_tokens, need.context_wish_tokens, most=1 << 40)
        }
        return tuple(step for step in sorted(steps) if step <= served.model.context_tokens)

    def bases(self, served: Served) -> list[Base]:
        """Every base of a model that fits its place alone at some context.

        Part of a model goes to host memory only where no whole placement on a card holds it at its needs' floors.
        """
        whole = [base for place in whole_placements(self.host, self.policy) for base in self._at(served, place)]
        shape = served.model.architecture
        on_card = any(not base.placement.is_cpu for base in whole)
        if on_card or shape is None or served.mode != "chat":
            return whole
        partial = partial_placements(self.host, shape, self.policy)
        return whole + [base for place in partial for base in self._at(served, place)]

    def _at(self, served: Served, placement: Placement) -> Iterator[Base]:
        needs = [need for need in served.needs if _may_be_at(need, placement)]
        contexts = self._contexts(served)
        if not contexts or not needs:
            return
        for kv_type in _kv_types(served, needs, self.policy):
            asking = [need for need in needs if need.kv_type in (None, kv_type)]
            files = _best_files(self._files(served, placement, kv_type, asking))
            yield from self._curves(served, placement, kv_type, files, contexts)

    def _files(self, served: Served, placement: Placement, kv_type: str, needs: Sequence[RoleNeed]) -> Iterator[_File]:
        for artifact in served.artifacts:
            speed = self.assess.speed(_configuration(served, artifact, 0, kv_type, placement))
            merits: list[tuple[int, float]] = []
            for need in needs:
                if need.quantisation in (None, artifact.quantisation):
                    merit = self.rating.merit(need, served.model, artifact, kv_type, speed)
                    if merit is not None:
                        merits.append((self.needs.index(need), merit))
                    else:
                        detail = f"{artifact.quantisation} on {place_name(placement)}"
                        self.refusals.append(Refusal(need.id, served.model.id, "too-slow-or-weak", artifact.id, detail))
            if merits:
                yield _File(artifact, speed, tuple(merits))

    def _curves(
        self, served: Served, placement: Placement, kv_type: str, files: list[_File], contexts: tuple[int, ...]
    ) -> Iterator[Base]:
        shape: dict[int, Taken | Unestimable] = {}
        for file in files:
            take = self._taker(served, placement, kv_type, file, files[0], shape, contexts[0])
            taken: list[Taken] = []
            for context in contexts:
                answer = take(context)
                if isinstance(answer, Unestimable):
                    self._refuse(served, file, answer.reason, answer.detail)
                    break
                if short := self._shortfall(answer):
                    detail = f"{context} tokens on {place_name(placement)}"
                    self._refuse(served, file, "memory", detail, *short)
                    break  # a longer context never needs fewer bytes
                taken.append(answer)
            if taken:
                yield Base(
                    served,
                    file.artifact,
                    placement,
                    kv_type,
                    file.speed,
                    file.merits,
                    contexts[: len(taken)],
                    tuple(taken),
                )

    def _taker(
        self,
        served: Served,
        placement: Placement,
        kv_type: str,
        file: _File,
        first: _File,
        shape: dict[int, Taken | Unestimable],
        least_context: int,
    ) -> Callable[[int], Taken | Unestimable]:
        """What the file takes at a context: asked, or the first file's answer with the weights exchanged."""

        def asked(artifact: Artifact, context: int) -> Taken | Unestimable:
            return self.assess.takes(_configuration(served, artifact, context, kv_type, placement))

        whole = placement.gpu_layers is None and not placement.cpu_expert_layers
        own = asked(file.artifact, least_context)
        if not whole or isinstance(own, Unestimable) or file.artifact.weights is None or first.artifact.weights is None:
            return lambda context: asked(file.artifact, context)

        def exchanged(context: int) -> Taken | Unestimable:
            if context not in shape:
                shape[context] = asked(first.artifact, context)
            return _with_weights_of(shape[context], own)

        return exchanged

    def _shortfall(self, taken: Taken) -> tuple[str, int] | None:
        """The pool that misses most, and how much, when one instance with one slot does not fit alone."""
        missing = [
            (pool.fixed_bytes + pool.per_slot_bytes - self.host.pool(pool.pool).budget_bytes, pool.pool)
            for pool in taken.pools
        ]
        worst, pool_id = max(missing)
        return (pool_id, worst) if worst > 0 else None

    def _refuse(self, served: Served, file: _File, reason: str, detail: str, pool: str = "", missing: int = 0) -> None:
        for position, _ in file.merits:
            need = self.needs[position].id
            self.refusals.append(Refusal(need, served.model.id, reason, file.artifact.id, detail, pool, missing))


def _configuration(
    served: Served, artifact: Artifact, context_tokens: int, kv_type: str, placement: Placement
) -> Configuration:
    return Configuration(
        served.model, artifact, served.engine, served.mode, context_tokens, kv_type, placement, served.vision
    )


def _may_be_at(need: RoleNeed, placement: Placement) -> bool:
    return need.device is None or need.device == place_name(Placement(placement.devices))


def _kv_types(served: Served, needs: Sequence[RoleNeed], policy: Policy) -> tuple[str, ...]:
    shape = served.model.architecture
    if served.mode in WHOLE_TEXT_MODES or shape is None or not shape.has_cache:
        return ("f16",)
    pinned = {need.kv_type for need in needs if need.kv_type}
    return tuple(dict.fromkeys((*policy.kv_types, *sorted(pinned))))


def _best_files(files: Iterator[_File]) -> list[_File]:
    """Files that are not both larger and worth no more to anybody than another of the same model.

    At most one instance of a model runs, so the better file can always take the place of the worse.
    """
    kept: list[_File] = []
    for file in sorted(files, key=lambda file: (file.artifact.file_bytes, file.artifact.id)):
        merits = dict(file.merits)
        if not any(
            all(dict(other.merits).get(need, -1.0) >= merit for need, merit in merits.items()) for other in kept
        ):
            kept.append(file)
    return kept


def _with_weights_of(shape: Taken | Unestimable, own: Taken) -> Taken | Unestimable:
    if isinstance(shape, Unestimable):
        return shape
    weights = {pool.pool: pool.weights_bytes for pool in own.pools}
    return Taken(
        tuple(
            PoolTaken(
                pool.pool,
                pool.fixed_bytes - pool.weights_bytes + weights[pool.pool],
                pool.per_slot_bytes,
                weights[pool.pool],
            )
            for pool in shape.pools
        )
    )
