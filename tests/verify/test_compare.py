"""What is found when plan and stack differ in one thing: exactly that, and nothing when they do not differ."""

from collections.abc import Callable

import pytest

from stackplan.hardware import Basis
from stackplan.plan import Instance, Plan, PlannedDemand
from stackplan.render.servers import servers
from stackplan.units import GIB, MIB
from stackplan.values import replace
from stackplan.verify.compare import compare
from stackplan.verify.finding import Check, Finding, Verdict
from stackplan.verify.held_bytes import held_bytes, planned_range
from stackplan.verify.observation import (
    AnswerSeen,
    DeviceBytes,
    GatewaySeen,
    Heard,
    HostBytes,
    ModelSeen,
    Observations,
    ServerSeen,
)
from tests.render.plans import PLANS
from tests.test_architecture import OF_THE_WORLD, modules, outside
from tests.verify.seen import as_planned, with_answer, with_memory, with_model, with_server

CARD, CPU = PLANS["single-24gb"], PLANS["cpu-only"]
EVERY_TIER = frozenset({"hot", "warm", "cold"})
HOT = frozenset({"hot"})


def breaches(plan: Plan, seen: Observations, tiers: frozenset[str] = HOT) -> list[tuple[Check, str]]:
    return [
        (one.check, one.subject) for one in compare(plan, seen, started(plan, tiers)) if one.verdict is Verdict.BREACH
    ]


def started(plan: Plan, tiers: frozenset[str]) -> set[str]:
    return {one.id for one in servers(plan) if one.tier in tiers}


def verdicts(plan: Plan, seen: Observations, check: Check, subject: str) -> set[Verdict]:
    return {
        one.verdict for one in compare(plan, seen, started(plan, HOT)) if (one.check, one.subject) == (check, subject)
    }


@pytest.mark.parametrize("name", PLANS)
def test_a_stack_that_is_as_planned_breaks_nothing(name: str) -> None:
    assert breaches(PLANS[name], as_planned(PLANS[name])) == []


def test_what_is_hot_agrees_in_every_respect() -> None:
    own = [
        one
        for one in compare(CPU, as_planned(CPU), started(CPU, HOT))
        if one.subject in {"chat-4b", "worker", "gateway"}
    ]
    assert {one.check for one in own} >= {Check.RESIDENT, Check.DEVICE, Check.CONTEXT, Check.BYTES, Check.KEPT}
    assert {one.verdict for one in own} == {Verdict.AGREES}


CHANGES: dict[str, tuple[Plan, Callable[[Observations], Observations], list[tuple[Check, str]]]] = {
    "a HOT model was evicted": (
        CPU,
        lambda seen: with_model(seen, "chat-4b", loaded=False, state="unloaded"),
        [(Check.RESIDENT, "chat-4b")],
    ),
    "a HOT server is dead": (
        CPU,
        lambda seen: with_server(seen, "chat-4b", Heard.SILENT, "nobody listens there"),
        [(Check.RESIDENT, "chat-4b")],
    ),
    "somebody else listens on a port of the plan": (
        CARD,
        lambda seen: with_server(seen, "giant-120b", Heard.STRANGE, "what it answers is not HTTP"),
        [(Check.RESIDENT, "giant-120b")],
    ),
    "its server serves another model": (
        CARD,
        lambda seen: with_model(seen, "giant-120b", loaded=False, problem="its server serves other-7b"),
        [(Check.RESIDENT, "giant-120b")],
    ),
    "half the context": (
        CPU,
        lambda seen: with_model(seen, "chat-4b", context_tokens=8192),
        [(Check.CONTEXT, "chat-4b")],
    ),
    "twice the context": (
        CPU,
        lambda seen: with_model(seen, "chat-4b", context_tokens=32768),
        [(Check.CONTEXT, "chat-4b")],
    ),
    "fewer slots": (CARD, lambda seen: with_model(seen, "worker-32b", slots=1), [(Check.CONTEXT, "worker-32b")]),
    "a cache too small for all slots": (
        PLANS["services"],
        lambda seen: with_model(seen, "generator-14b", slots=None, cache_tokens=8 * 16384 - 16),
        [(Check.CONTEXT, "generator-14b")],
    ),
    "another file": (
        CPU,
        lambda seen: with_model(seen, "chat-4b", weights_bytes=GIB),
        [(Check.WEIGHTS, "chat-4b")],
    ),
    "a GPU model on the CPU": (
        CARD,
        lambda seen: with_memory(seen, "worker-32b", devices=(DeviceBytes("gpu0", 0),)),
        [(Check.DEVICE, "worker-32b"), (Check.BYTES, "worker-32b")],
    ),
    "a CPU model on a GPU": (
        CARD,
        lambda seen: with_memory(seen, "embedder", devices=(DeviceBytes("gpu0", 400 * MIB),)),
        [(Check.DEVICE, "embedder")],
    ),
    "Ollama took the CPU": (
        CARD,
        lambda seen: with_memory(
            with_model(seen, "guard-1b", total_bytes=int(2.25 * GIB), device_bytes=0), "guard-1b", devices=None
        ),
        [(Check.DEVICE, "guard-1b")],
    ),
    "more bytes than planned": (
        CARD,
        lambda seen: with_memory(seen, "worker-32b", devices=(DeviceBytes("gpu0", 17 * GIB),)),
        [(Check.BYTES, "worker-32b")],
    ),
    "fewer bytes than planned": (
        CARD,
        lambda seen: with_memory(seen, "worker-32b", devices=(DeviceBytes("gpu0", 12 * GIB),)),
        [(Check.BYTES, "worker-32b")],
    ),
    "HOT, but with an idle timer": (
        CARD,
        lambda seen: with_model(seen, "guard-1b", pinned=False),
        [(Check.KEPT, "guard-1b")],
    ),
    "HOT, but told to sleep": (
        CPU,
        lambda seen: with_memory(with_model(seen, "chat-4b", pinned=None), "chat-4b", sleeps=True),
        [(Check.KEPT, "chat-4b")],
    ),
    "evicted when others were loaded": (
        CPU,
        lambda seen: replace(
            seen, again=with_model(seen, "chat-4b", loaded=False).servers
        ),
        [(Check.KEPT, "chat-4b")],
    ),
    "a role that gives no answer": (
        CPU,
        lambda seen: with_answer(seen, "worker", heard=Heard.STRANGE, problem="HTTP 500: out of memory"),
        [(Check.ANSWER, "worker")],
    ),
    "vectors of another length than the model's": (
        CPU,
        lambda seen: with_answer(with_model(seen, "embedder", vector_dimensions=768), "embedding", dimensions=384),
        [(Check.ANSWER, "embedding")],
    ),
    "a remote model answers for the local one": (
        CPU,
        lambda seen: with_answer(seen, "worker", gateway=True, answered_by="worker-affordable"),
        [(Check.GATEWAY, "worker")],
    ),
    "other vectors through the gateway": (
        CPU,
        lambda seen: with_answer(
            with_answer(seen, "embedding", dimensions=768), "embedding", gateway=True, dimensions=384
        ),
        [(Check.GATEWAY, "embedding")],
    ),
    "no gateway": (
        CPU,
        lambda seen: replace(seen, gateway=GatewaySeen(Heard.SILENT, "nobody listens there")),
        [(Check.GATEWAY, "gateway")],
    ),
    "a gateway with the roles of another plan": (
        CPU,
        lambda seen: replace(seen, gateway=GatewaySeen(Heard.ANSWERED, roles=("embedding", "watchdog"))),
        [(Check.GATEWAY, "gateway")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_one_difference_is_found_and_no_other(name: str) -> None:
    plan, change, wanted = CHANGES[name]
    assert breaches(plan, change(as_planned(plan))) == wanted


@pytest.mark.parametrize("name", CHANGES)
def test_every_breach_names_a_next_step(name: str) -> None:
    plan, change, _ = CHANGES[name]
    found = compare(plan, change(as_planned(plan)), started(plan, HOT))
    assert all(one.hint and one.message for one in found if one.verdict is Verdict.BREACH)


UNKNOWNS: dict[str, tuple[Plan, Callable[[Observations], Observations], Check, str]] = {
    "a WARM server that nobody started": (
        CARD,
        lambda seen: with_server(seen, "giant-120b", Heard.SILENT, "nobody listens there"),
        Check.RESIDENT,
        "giant-120b",
    ),
    "a server that there was no time for": (
        CPU,
        lambda seen: with_server(seen, "chat-4b", Heard.NOT_ASKED, "the time was over"),
        Check.RESIDENT,
        "chat-4b",
    ),
    "a WARM model that is not loaded": (CARD, lambda seen: seen, Check.RESIDENT, "maths-7b"),
    "no word about the context": (
        CPU,
        lambda seen: with_model(seen, "chat-4b", context_tokens=None),
        Check.CONTEXT,
        "chat-4b",
    ),
    "no driver that tells bytes": (
        CARD,
        lambda seen: with_memory(seen, "worker-32b", devices=(DeviceBytes("gpu0", None),)),
        Check.BYTES,
        "worker-32b",
    ),
    "no driver that tells devices": (
        CARD,
        lambda seen: with_memory(seen, "worker-32b", devices=None),
        Check.DEVICE,
        "worker-32b",
    ),
    "processes of another user": (
        CPU,
        lambda seen: with_memory(seen, "chat-4b", host=None, problem="another user's"),
        Check.BYTES,
        "chat-4b",
    ),
    "a doubtful order": (
        CPU,
        lambda seen: with_answer(seen, "embedding", doubt="two different texts give one vector"),
        Check.ANSWER,
        "embedding",
    ),
    "a role that was not asked": (CARD, lambda seen: seen, Check.ANSWER, "math"),
    "a gateway without a key": (
        CPU,
        lambda seen: replace(
            seen,
            gateway=GatewaySeen(Heard.ANSWERED),
            answers=tuple(one for one in seen.answers if not one.gateway),
        ),
        Check.GATEWAY,
        "worker",
    ),
    "a gateway that does not tell who answered": (
        CPU,
        lambda seen: with_answer(seen, "worker", gateway=True, answered_by=""),
        Check.GATEWAY,
        "worker",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", UNKNOWNS)
def test_what_nobody_told_is_unknown_and_never_passed(name: str) -> None:
    plan, change, check, subject = UNKNOWNS[name]
    seen = change(as_planned(plan))
    assert verdicts(plan, seen, check, subject) == {Verdict.UNKNOWN}
    assert breaches(plan, seen) == []


def test_nothing_seen_at_all_agrees_with_nothing() -> None:
    assert {one.verdict for one in compare(CARD, Observations(), started(CARD, HOT))} == {Verdict.UNKNOWN}


def test_a_tier_that_was_started_must_be_there() -> None:
    seen = with_server(as_planned(CARD), "giant-120b", Heard.SILENT, "nobody listens there")
    assert breaches(CARD, seen, EVERY_TIER) == [(Check.RESIDENT, "giant-120b")]


def test_a_machine_without_gpus_has_one_device() -> None:
    seen = replace(as_planned(CPU), memory=())
    assert verdicts(CPU, seen, Check.DEVICE, "chat-4b") == {Verdict.AGREES}


def test_after_the_exercise_a_role_must_answer_once_more() -> None:
    seen = as_planned(CPU)
    silent = AnswerSeen("worker", False, Heard.SILENT, "no whole answer within 60 s", again=True)
    assert breaches(CPU, replace(seen, answers=(*seen.answers, silent))) == [(Check.ANSWER, "worker")]


DEMAND = PlannedDemand("ram", 1000, 500, 0, 100, 0, 400, 2000)


def instance(basis: Basis = Basis.DERIVED) -> Instance:
    return replace(CPU.instance("chat-4b"), basis=basis, demand=(DEMAND,))


@pytest.mark.parametrize(
    ("seen", "holds"), [(1520, True), (1519, False), (2100, True), (2101, False)]
)  # 5 % below the plan without its allowance of 400, and 5 % above the whole of it
def test_bytes_agree_within_five_percent_of_the_plan_less_its_allowances(seen: int, holds: bool) -> None:
    assert planned_range(instance(), (DEMAND,)).holds(seen) == holds


def test_an_assumed_estimate_has_the_tolerance_that_its_documentation_states() -> None:
    assert planned_range(instance(Basis.ASSUMED), (DEMAND,)).holds(2500)


@pytest.mark.parametrize(
    ("allocated", "mapped", "quantisation", "held"),
    [
        (1000, 1000, "F16", 2000),  # nothing is rewritten: both count
        (1000, 1000, "Q4_K_M", 2000),  # quantised and nothing rewritten: the rest is just as planned
        (2000, 1000, "Q4_K_M", 2000),  # all of it rewritten: the mapped originals are cold
        (1600, 1000, "Q4_K_M", 2000),  # some of it rewritten
        (2600, 1000, "Q4_K_M", 2600),  # more than weights and the rest can explain
        (2000, 0, "F16", 2000),  # read into memory instead of mapped
    ],
)
def test_weights_that_exist_twice_count_once(allocated: int, mapped: int, quantisation: str, held: int) -> None:
    host = HostBytes(allocated - 100, mapped, 100, 7)
    assert held_bytes(host, DEMAND, quantisation, allocations_count=True) == held


def test_programs_that_reserve_more_than_they_use_count_by_what_is_resident() -> None:
    host = HostBytes(50_000, 0, 100, 900)
    assert held_bytes(host, DEMAND, "F16", allocations_count=False) == 900


def test_findings_are_plain_values() -> None:
    one = Finding(Check.BYTES, "x", Verdict.AGREES, "as planned")
    assert one == replace(one)
    assert ServerSeen("s", Heard.SILENT).model("x") is None
    assert ModelSeen("x").loaded is None


PURE = (
    "compare", "compare_memory", "compare_answers", "held_bytes", "finding", "observation", "exchange", "memory_map",
    "role_question", "role_answer", "samples", "gateway", "engines", "run", "llama_cpp", "ollama", "vllm",
    "text_embeddings", "infinity", "speaches", "set_aside",
)  # fmt: skip


def test_only_the_client_and_the_lookers_touch_the_world() -> None:
    asked = {f"verify.{name}" for name in PURE}
    assert asked <= modules().keys()
    reaching = {(name, top) for name in asked for top, _ in outside(name) if top in {*OF_THE_WORLD, "http", "pathlib"}}
    assert reaching == set()
