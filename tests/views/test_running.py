"""What `status` prints, whole."""

from pathlib import Path

from tests.render.plans import single_24gb

from stackplan.running.memory import Held, given, held_on_cards
from stackplan.running.status import Report, Row
from stackplan.running.supervisor import STOPPED, State, Status
from stackplan.running.units import units
from stackplan.units import MIB
from stackplan.values import replace
from stackplan.views.running import status_data, status_text

PLAN = single_24gb()
CARDS = {"gpu0": {4711: 3000 * MIB, 4712: 72 * MIB, 1: 999 * MIB}}  # process 1 is somebody else's
SCREEN = """\
 unit        tier  state       process   RAM held  planned  cards held   planned  listens                roles
 worker-32b  HOT   up             4711  100.0 MiB        -     3.0 GiB  15.5 GiB  http://127.0.0.1:8101  worker, front-door
 guard-1b    HOT   loading        4711  100.0 MiB        -     3.0 GiB   2.5 GiB  http://127.0.0.1:8102  watchdog
 embedder    HOT   restarting        -          -  1.8 GiB           -         -  http://127.0.0.1:8107  embedding
 reranker    HOT   missing           -          -  2.1 GiB           -         -  http://127.0.0.1:8108  reranker
 coder-7b    WARM  stopped           -          -        -           -   5.9 GiB  http://127.0.0.1:8103  code
 warm-gpu0   WARM  stopped           -          -        -           -   5.7 GiB  http://127.0.0.1:8104  vision, math
 giant-120b  COLD  stopped           -          -        -           -  51.5 GiB  http://127.0.0.1:8106  architect
 gateway     HOT   missing           -          -        -           -         -  http://127.0.0.1:4000  every role

embedder: Exited too quickly?[31m
the plan changed since `up`; run it again
kept by supervisord; logs in /state/logs
"""  # noqa: E501


def report() -> Report:
    """A server that answers, one that loads, one that crashed, one that nobody started, and one that is not wanted."""
    states = {
        "worker-32b": State(Status.RUNNING, 4711),
        "guard-1b": State(Status.RUNNING, 4711),
        "embedder": State(Status.RESTARTING, 0, "Exited too quickly\x1b[31m"),
    }
    rows = []
    for unit in units(PLAN, Path("deploy")):
        state = states.get(unit.id, STOPPED)
        held = Held(200 * MIB, 100 * MIB, (4711, 4712)) if state.pid else None
        answers, wanted = unit.id == "worker-32b", unit.tier == "hot"
        on_cards = held_on_cards(held.pids, CARDS) if held else None
        rows.append(Row(unit, state, answers, wanted, held, on_cards, given(PLAN, unit)))
    return Report(tuple(rows), "supervisord", is_outdated=True, logs="/state/logs")


def test_the_screen() -> None:
    assert status_text(report()) + "\n" == SCREEN


def test_programs_get_bytes_and_what_is_missing() -> None:
    data = status_data(report())
    assert data["missing"] == ["guard-1b", "embedder", "reranker", "gateway"]
    rows = {row["id"]: row for row in data["units"]}
    assert rows["worker-32b"]["proportional_bytes"] == 100 * MIB
    assert rows["warm-gpu0"]["planned_device_bytes"] == max(
        sum(one.total_bytes for one in PLAN.instance(name).demand) for name in ("eye-4b", "maths-7b")
    ), "members of a router take turns"
    assert rows["gateway"]["planned_host_bytes"] is None


def test_without_a_proportional_size_the_resident_one_is_shown() -> None:
    told = report()
    row = replace(told.rows[0], held=Held(200 * MIB, None, (4711,)))
    assert "200.0 MiB" in status_text(replace(told, rows=(row,)))


def test_what_a_driver_does_not_tell_is_unknown_and_not_nothing() -> None:
    assert held_on_cards((1, 2), None) is None
    assert held_on_cards((1, 2), {"gpu0": {1: None}}) is None
    assert held_on_cards((1, 2), {"gpu0": {3: None}, "gpu1": {2: 5}}) == 5
