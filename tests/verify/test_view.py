"""What `stackplan verify` shows: a table, what is wrong and the next step, and JSON that fits its schema."""

import json

from stackplan.render.servers import servers
from stackplan.units import GIB
from stackplan.values import replace
from stackplan.verify.compare import compare
from stackplan.verify.finding import Verdict
from stackplan.verify.observation import DeviceBytes, Heard
from stackplan.views.verify import report, verify_json, verify_schema, verify_text, worst
from tests.render.plans import PLANS
from tests.verify.seen import as_planned, with_answer, with_memory, with_model

CARD = PLANS["single-24gb"]
HOT = frozenset(one.id for one in servers(CARD) if one.tier == "hot")


def shown(seen) -> str:
    return verify_text(CARD, compare(CARD, seen, HOT))


def test_the_table_has_a_line_per_instance_and_one_per_role() -> None:
    lines = shown(as_planned(CARD)).splitlines()
    assert lines[0].split() == [
        "instance",
        "server",
        "tier",
        "resident",
        "device",
        "context",
        "weights",
        "bytes",
        "kept",
    ]
    cells = {line.split()[0]: line.split() for line in lines if line.strip()}
    assert cells["worker-32b"] == ["worker-32b", "worker-32b", "hot", "ok", "ok", "ok", "-", "ok", "+0.0%", "ok"]
    assert cells["maths-7b"] == ["maths-7b", "warm-gpu0", "warm", "?", "-", "-", "-", "-", "-"]
    assert cells["front-door"] == ["front-door", "worker-32b", "ok", "ok"]
    assert lines[-1].endswith(" unknown")


def test_a_breach_is_told_with_figures_and_the_next_step() -> None:
    text = shown(with_memory(as_planned(CARD), "worker-32b", devices=(DeviceBytes("gpu0", 17 * GIB),)))
    assert "BREACH +9.7%" in text
    assert "17.0 GiB in gpu0, 15.5 GiB were planned, 256.0 MiB of it an allowance (+9.7%)" in text
    assert "at most 16.3 GiB would agree" in text
    assert "stackplan explain" in text


def test_nothing_that_a_server_says_can_steer_the_terminal() -> None:
    seen = with_answer(as_planned(CARD), "worker", heard=Heard.STRANGE, problem="HTTP 500: \x1b[2J\x1b]0;x\x07")
    seen = with_model(seen, "maths-7b", problem="its server serves \x1b[31m\u202e")
    assert all(letter.isprintable() or letter == "\n" for letter in shown(seen))


def test_the_worst_decides() -> None:
    found = compare(CARD, as_planned(CARD), HOT)
    assert worst(found) is Verdict.UNKNOWN  # WARM models are not loaded
    assert worst([one for one in found if one.verdict is Verdict.AGREES]) is Verdict.AGREES
    broken = compare(CARD, with_model(as_planned(CARD), "worker-32b", slots=1), HOT)
    assert worst(broken) is Verdict.BREACH
    assert worst([]) is Verdict.UNKNOWN  # nothing compared is nothing proved


def test_the_json_is_what_its_schema_says() -> None:
    from pydantic import TypeAdapter  # noqa: PLC0415

    from stackplan.views.verify import Report  # noqa: PLC0415

    seen = as_planned(CARD)
    told = report(CARD, compare(CARD, seen, HOT), replace(seen, again=seen.servers))
    text = verify_json(told)
    assert TypeAdapter(Report).validate_json(text) == told
    assert verify_schema()["properties"].keys() == json.loads(text).keys()
