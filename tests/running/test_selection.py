"""What is started together is what was planned in memory together."""

import pytest
from tests.render.plans import cpu_only, single_24gb

from stackplan.errors import UserError
from stackplan.running.selection import selected, unit_of_role
from stackplan.values import replace

HOT = ("worker-32b", "guard-1b", "embedder", "reranker")
PLAN = single_24gb()  # HOT as above; WARM: Ollama's coder-7b and a router take turns; COLD: giant-120b


def test_hot_is_what_starts_without_a_word() -> None:
    chosen = selected(PLAN, None, None, (), gateway=True)
    assert sorted(chosen.start) == sorted((*HOT, "gateway"))
    assert chosen.stop == ()


def test_warm_is_hot_and_the_one_server_that_holds_most_of_each_group() -> None:
    chosen = selected(PLAN, "warm", None, HOT, gateway=False)
    assert sorted(chosen.start) == sorted((*HOT, "warm-gpu0"))


def test_a_server_of_the_same_group_makes_room() -> None:
    chosen = selected(PLAN, None, "code", ("warm-gpu0", *HOT), gateway=False)
    assert (chosen.start, chosen.stop) == (("coder-7b",), ("warm-gpu0",))


def test_cold_wants_a_role_and_all_warm_out() -> None:
    with pytest.raises(UserError, match="one at a time") as caught:
        selected(PLAN, "cold", None, (), gateway=True)
    assert "giant-120b" in caught.value.hint
    chosen = selected(PLAN, "cold", "architect", ("warm-gpu0", *HOT, "gateway"), gateway=True)
    assert (chosen.start, chosen.stop) == (("giant-120b", "gateway"), ("warm-gpu0",))


def test_warm_sends_cold_away() -> None:
    assert selected(PLAN, "warm", None, ("giant-120b",), gateway=False).stop == ("giant-120b",)
    assert selected(PLAN, "hot", None, ("giant-120b",), gateway=False).stop == ()


def test_only_one_cold_server_runs() -> None:
    giant = next(one for one in PLAN.instances if one.id == "giant-120b")
    second = replace(giant, id="giant-two", port=8199)
    role = next(one for one in PLAN.roles if one.role == "architect")
    roles = (*PLAN.roles, replace(role, role="judge", instance="giant-two"))
    plan = replace(PLAN, instances=(*PLAN.instances, second), roles=roles)
    assert selected(plan, None, "judge", ("giant-120b",), gateway=False).stop == ("giant-120b",)


def test_a_role_of_another_tier_is_no_silent_success() -> None:
    with pytest.raises(UserError, match="which is COLD") as caught:
        selected(PLAN, "hot", "architect", (), gateway=True)
    assert caught.value.hint == "stackplan up --tier cold architect"


def test_unknown_words_are_refused() -> None:
    for tier, role in (("tepid", None), (None, "nobody")):
        with pytest.raises(UserError):
            selected(PLAN, tier, role, (), gateway=True)
    assert unit_of_role(cpu_only(), "watchdog") == "chat-4b"
