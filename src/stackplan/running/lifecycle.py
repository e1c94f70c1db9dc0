"""Starting and stopping a deployment: what is needed is there, rivals go first, `up` ends when everything answers."""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stackplan.errors import UserError
from stackplan.plan import Plan
from stackplan.running.endpoints import listeners
from stackplan.running.environment import is_readable_by_others, key_files, keys_of
from stackplan.running.leftovers import leftovers
from stackplan.running.memory import free_host_bytes, given
from stackplan.running.ollama import load_hot
from stackplan.running.readiness import check_files, check_ports, with_program
from stackplan.running.record import Record, forget, read_record, write_record
from stackplan.running.registry import NATIVE, choose, supervisor
from stackplan.running.selection import Selection, selected, unit_of_role
from stackplan.running.site import Site, prepare
from stackplan.running.supervisor import STOPPED, State, Status, Supervisor
from stackplan.running.units import Unit, digest, units
from stackplan.running.waiting import answers
from stackplan.units import format_bytes

Say = Callable[[str], None]
_LOG_LINES = 15
_TELL_EVERY_SECONDS = 5.0
_PAUSE_SECONDS = 0.25
_LOCK_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Wish:
    """What `up` was asked for.

    ``supervisor`` is one of `registry.CHOICES`; ``seconds`` bounds the wait, None leaves it to what was planned.
    """

    tier: str | None = None
    role: str | None = None
    supervisor: str = "auto"
    gateway: bool = True
    seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Started:
    """A unit that answers, and how long that took."""

    unit: Unit
    seconds: float


def up(plan: Plan, site: Site, wish: Wish, config: Path, say: Say) -> tuple[Started, ...]:
    """Start what is wished and wait until it answers. Raises `UserError` naming the unit and the next step."""
    prepare(site)
    with _alone(site):
        before = read_record(site)
        name = _supervisor_name(site, wish, before)
        wanted = before.units if before else ()
        chosen = selected(plan, wish.tier, wish.role, wanted, gateway=wish.gateway)
        boss = supervisor(name)
        planned = _planned(plan, site, chosen, wanted)
        known = [with_program(unit) for unit in planned] if name in NATIVE else planned
        fresh = [unit for unit in known if unit.id in chosen.start]
        now = boss.states(site)
        _check(plan, site, fresh, now, native=name in NATIVE)
        _warn_of_memory(plan, [unit for unit in fresh if unit.id not in now or not now[unit.id].pid], say)
        keys = _keys(known, key_files(config, site.folder), say)
        if chosen.stop:
            say(f"stopping {', '.join(chosen.stop)}: not planned in memory beside what is asked for")
            boss.stop(site, chosen.stop)
        write_record(site, Record(str(site.folder), name, digest(planned), tuple(unit.id for unit in known)))
        say(f"starting {', '.join(unit.id for unit in fresh)} with {name}; logs in {site.logs}")
        boss.start(site, known, [unit.id for unit in fresh], keys)
    started = _wait(boss, site, fresh, wish.seconds, say)
    if missing := load_hot(plan, fresh):
        say(f"not in Ollama yet: {', '.join(missing)}; next: bash {site.folder / 'ollama' / 'pull.sh'} --tier hot")
    return started


def down(plan: Plan, site: Site, role: str | None) -> tuple[str, ...]:
    """Stop everything, or what serves a role; the ids of the units that ran."""
    if not site.state.is_dir():
        return ()
    with _alone(site):
        record = read_record(site)
        boss = supervisor(record.supervisor if record else NATIVE[-1])
        running = tuple(name for name, state in boss.states(site).items() if state.status is not Status.STOPPED)
        if role is None:
            boss.shut_down(site)
            forget(site)
            return running
        name = unit_of_role(plan, role)
        boss.stop(site, (name,))
        if record:
            left = [unit for unit in units(plan, site.folder) if unit.id in record.units and unit.id != name]
            write_record(site, Record(record.folder, record.supervisor, digest(left), tuple(unit.id for unit in left)))
        return (name,) if name in running else ()


@contextmanager
def _alone(site: Site) -> Iterator[None]:
    """One command at a time starts or stops a deployment; others wait a while."""
    from filelock import FileLock, Timeout  # noqa: PLC0415  (the CLI start does not need it)

    lock = FileLock(site.state / "lock")
    try:
        lock.acquire(timeout=_LOCK_SECONDS)
    except Timeout as error:
        hint = "wait for it, or end it"
        raise UserError("another stackplan starts or stops this deployment", hint=hint, slug="busy") from error
    try:
        yield
    finally:
        lock.release()


def _supervisor_name(site: Site, wish: Wish, before: Record | None) -> str:
    name = choose(wish.supervisor, site, before.supervisor if before else None)
    if before and before.units and before.supervisor != name:
        if wish.supervisor == "native" and before.supervisor in NATIVE:
            return before.supervisor
        raise UserError(
            f"this deployment runs with {before.supervisor}",
            hint=f"run `stackplan down{site.option}` first",
            slug="runs-otherwise",
        )
    return name


def _planned(plan: Plan, site: Site, chosen: Selection, wanted: tuple[str, ...]) -> list[Unit]:
    """Units of the plan that run or are to run from now on."""
    names = {*chosen.start, *wanted} - set(chosen.stop)
    return [unit for unit in units(plan, site.folder) if unit.id in names]


def _keys(known: list[Unit], files: Sequence[Path], say: Say) -> dict[str, str]:
    for path in files:
        if is_readable_by_others(path):
            say(f"note: other users can read the keys in {path}; chmod 600 {path}")
    return keys_of(known, files, os.environ)


def _warn_of_memory(plan: Plan, fresh: list[Unit], say: Say) -> None:
    """Say when other programs hold what the plan counted on; the kernel may still give it up, so nothing is refused."""
    wanted = sum(share.host_bytes for unit in fresh if (share := given(plan, unit)))
    free = free_host_bytes()
    if wanted > free:
        say(f"note: planned {format_bytes(wanted)} of host memory, {format_bytes(free)} is free; `stackplan check`")


def _check(plan: Plan, site: Site, fresh: list[Unit], now: Mapping[str, State], *, native: bool) -> None:
    for unit in fresh:
        check_files(plan, unit, site, native=native)
    own = {process.pid for process in leftovers(site.key)}
    listening = {port: pid for port, pid in listeners().items() if pid not in own}
    check_ports([unit for unit in fresh if now.get(unit.id, STOPPED).status is Status.STOPPED], listening)


def _wait(boss: Supervisor, site: Site, fresh: list[Unit], seconds: int | None, say: Say) -> tuple[Started, ...]:
    began = told = time.monotonic()
    waiting, done = {unit.id: unit for unit in fresh}, []
    while waiting:
        states, passed = boss.states(site), time.monotonic() - began
        for unit in list(waiting.values()):
            state = states.get(unit.id, STOPPED)
            if state.status is Status.RUNNING and answers(unit.health_address):
                done.append(Started(waiting.pop(unit.id), passed))
                say(f"{unit.id} answers at {unit.address} after {passed:.1f} s")
            elif state.status is Status.FAILED or passed > (seconds or unit.start_seconds):
                raise _not_healthy(boss, site, unit, state, passed, say)
        if waiting and time.monotonic() - told > _TELL_EVERY_SECONDS:
            told = time.monotonic()
            say(f"waiting for {', '.join(waiting)}: {passed:.0f} s")
        time.sleep(_PAUSE_SECONDS if waiting else 0)
    return tuple(done)


def _not_healthy(boss: Supervisor, site: Site, unit: Unit, state: State, passed: float, say: Say) -> UserError:
    for line in boss.last_lines(site, unit.id, _LOG_LINES):
        say(f"  {unit.id}: {line}")
    what = "failed" if state.status is Status.FAILED else f"is {state.status} and does not answer"
    detail = f" ({state.detail})" if state.detail else ""
    return UserError(
        f"{unit.id} {what} after {passed:.0f} s{detail}",
        hint=f"read {site.log(unit.id)}; `stackplan status{site.option}` shows what runs, `down` stops it",
        slug="not-healthy",
    )
