"""The stages in order: this is the program.

    needs -> eligible models -> bases (what each way of running takes and is worth) -> choice -> plan

Reading files and detecting come before (`world`), rendering, downloading and verifying after.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

from stackplan.afterwards import sped_up
from stackplan.assemble import Frame, assemble
from stackplan.assess import HostAssessor
from stackplan.bases import Base, BaseFinder
from stackplan.calibration import Calibration, calibration, with_measurements
from stackplan.catalog import Catalog
from stackplan.choose import DEFAULT_SECONDS, Chosen, choose
from stackplan.effort import QUICK, Effort
from stackplan.eligibility import Refusal
from stackplan.estimate.speed_model import SpeedModel
from stackplan.fallbacks import planned_fallbacks, remote_notes
from stackplan.hardware import Host
from stackplan.judgement_index import Judgement
from stackplan.market import Market
from stackplan.measurement import Measurement
from stackplan.narrowing import May, anything, narrowed
from stackplan.needs import needs_of
from stackplan.options import served_models
from stackplan.plan import Plan
from stackplan.problem import Choice
from stackplan.proposers import Proposers
from stackplan.prospects import Prospect
from stackplan.rating import Rating
from stackplan.remote import RemoteEndpoint
from stackplan.runtime import Runtime
from stackplan.stack import Request
from stackplan.values import replace


@dataclass(frozen=True, slots=True, repr=False)
class World:
    """Everything that planning rests on, read before it starts."""

    profile: str
    host: Host
    request: Request
    catalog: Catalog
    judgement: Judgement
    speed: SpeedModel
    effort: Effort = QUICK
    runtime: Runtime = field(default=Runtime())
    fallbacks: tuple[RemoteEndpoint, ...] = ()
    measurements: tuple[Measurement, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class Space:
    """Every way to serve every need of a world, before anything is chosen.

    ``prospects`` are opened as far as they matter. ``may`` narrows the space.
    """

    world: World
    finder: BaseFinder
    assessor: HostAssessor
    prospects: tuple[Prospect, ...]
    measured: Calibration | None = None
    may: May = anything

    @property
    def market(self) -> Market:
        """The space as something to choose from, nothing of it opened."""
        return Market.of(self.prospects, self.finder, self.may)

    @property
    def bases(self) -> tuple[Base, ...]:
        """All of the space, opened: far more than a choice needs."""
        return tuple(self.bases_of(lambda _: True))

    def bases_of(self, wanted: Callable[[Prospect], bool]) -> Iterator[Base]:
        """The bases of the prospects that are ``wanted``."""
        return (base for prospect in self.prospects if wanted(prospect) for base in self.bases_in(prospect))

    def bases_in(self, prospect: Prospect) -> list[Base]:
        """The bases of one prospect."""
        return list(narrowed(self.finder.bases(prospect), self.may))

    def refusals(self, needs: Collection[str]) -> tuple[Refusal, ...]:
        """Every reason why something is not offered to one of ``needs``: all that might be is looked at for that."""
        for prospect in self.prospects:
            if any(need.id in needs for need in prospect.served.needs):
                self.finder.bases(prospect)
        return tuple(self.finder.refusals)


@dataclass(frozen=True, slots=True, repr=False)
class Planned:
    """A plan, or None with ``chosen`` telling the conflict; and what it was made of, for explanations."""

    plan: Plan | None
    chosen: Chosen
    frame: Frame
    space: Space


def plan_world(world: World) -> Planned:
    """The best plan for a world. Pure: same world, same plan, byte for byte."""
    return best_of(space_of(world))


def space_of(world: World) -> Space:
    """The space of a world; what is refused on the way is in ``finder.refusals``."""
    request = world.request
    needs = needs_of(request.stack, world.catalog)
    versions = {engine.id: engine.version for engine in world.catalog.engines}
    measured = calibration(world.measurements, world.host, versions)
    assessor = HostAssessor.of(world.host, world.speed, measured.speed if measured else None)
    rating = Rating(request.policy, world.judgement.quality, world.judgement.quantisation)
    proposers = Proposers.of(world.host, request.policy, assessor, rating, world.catalog)
    finder = BaseFinder(world.host, needs, request.policy, assessor, rating, proposers)
    prospects = finder.prospects(served_models(needs, world.catalog, request.policy, finder.refusals))
    return Space(world, finder, assessor, prospects, measured)


def best_of(space: Space, *, seconds: float = DEFAULT_SECONDS) -> Planned:
    """The best plan of a space; after so many ``seconds`` the best known, with its bound."""
    world, request, finder = space.world, space.world.request, space.finder
    chosen = choose(space.market, partial=request.policy.partial, seconds=seconds, effort=world.effort)
    frame = Frame(
        profile=world.profile,
        stack=request.stack.id,
        policy=request.policy.id,
        gateway_port=request.stack.gateway_port,
        catalog=world.catalog,
        needs=finder.needs,
        refusals=space.refusals(_unserved(chosen, finder)),
    )
    answer = chosen.answer
    if not isinstance(answer, Choice):
        return Planned(None, chosen, frame, space)
    plan = assemble(chosen, answer, frame, space.assessor, finder.rating)
    configurations = {
        role.instance: chosen.deployables[answer.assignment[role.role]].configuration for role in plan.roles
    }
    plan = sped_up(plan, finder.needs, configurations, space.assessor)
    if space.measured is not None:
        plan = with_measurements(plan, space.measured)
    return Planned(_with_declared(plan, world), chosen, frame, space)


def _unserved(chosen: Chosen, finder: BaseFinder) -> set[str]:
    """Needs that nothing serves: why is told, so everything that might serve them is looked at."""
    served = chosen.answer.assignment if isinstance(chosen.answer, Choice) else {}
    return {need.id for need in finder.needs} - served.keys()


def _with_declared(plan: Plan, world: World) -> Plan:
    """The plan with what was declared and needs no choice: how engines run, and who may stand in from afar."""
    endpoints = (*world.request.stack.fallbacks, *world.fallbacks)
    fallbacks = planned_fallbacks(endpoints)
    notes = (*plan.notes, *remote_notes(fallbacks))
    return replace(plan, runtime=world.runtime, fallbacks=fallbacks, notes=notes)
