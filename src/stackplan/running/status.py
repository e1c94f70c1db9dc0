"""What runs of a plan now: one row per unit, with what it holds beside what the plan gave it."""

from dataclasses import dataclass

from stackplan.plan import Plan
from stackplan.render.servers import HOT
from stackplan.running.memory import Given, Held, OnCards, given, held, held_on_cards
from stackplan.running.record import Record, read_record
from stackplan.running.registry import supervisor
from stackplan.running.site import Site
from stackplan.running.supervisor import STOPPED, State, Status
from stackplan.running.units import Unit, digest, units
from stackplan.running.waiting import answers


@dataclass(frozen=True, slots=True)
class Row:
    """One unit now. ``is_wanted``: it is HOT, the gateway, or was asked for; ``answers``: it serves requests.

    ``device_bytes`` is what it holds on cards, None where no driver tells.
    """

    unit: Unit
    state: State
    answers: bool
    is_wanted: bool
    held: Held | None
    device_bytes: int | None
    given: Given | None

    @property
    def is_missing(self) -> bool:
        """Whether it should serve and does not."""
        return self.is_wanted and not self.answers


@dataclass(frozen=True, slots=True)
class Report:
    """A deployment now.

    ``supervisor`` is empty where nothing was started; ``is_outdated``: `up` would now start something else.
    """

    rows: tuple[Row, ...]
    supervisor: str
    is_outdated: bool
    logs: str


def look(plan: Plan, site: Site, on_cards: OnCards | None = None) -> Report:
    """What runs of the plan on this machine; ``on_cards`` is what drivers tell of processes.

    Raises `UserError` when a supervisor does not answer.
    """
    record = read_record(site)
    states = supervisor(record.supervisor).states(site) if record else {}
    planned = units(plan, site.folder)
    rows = tuple(_row(plan, unit, states.get(unit.id, STOPPED), record, on_cards) for unit in planned)
    outdated = record is not None and record.digest != digest([one for one in planned if one.id in record.units])
    return Report(rows, record.supervisor if record else "", outdated, str(site.logs))


def _row(plan: Plan, unit: Unit, state: State, record: Record | None, on_cards: OnCards | None) -> Row:
    alive = state.status is Status.RUNNING
    wanted = (unit.tier == HOT and not (record and unit.is_gateway)) or bool(record and unit.id in record.units)
    processes = held(state.pid) if state.pid else None
    return Row(
        unit=unit,
        state=state,
        answers=alive and answers(unit.health_address),
        is_wanted=wanted,
        held=processes,
        device_bytes=held_on_cards(processes.pids, on_cards) if processes else None,
        given=given(plan, unit),
    )
