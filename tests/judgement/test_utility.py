"""What an option is worth: monotone in everything that people want more of, and told in terms that add up."""

from functools import cache
from math import isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackplan.bundled import bundled_folder
from stackplan.catalog import Role
from stackplan.hardware import Basis
from stackplan.judgement_yaml import load_presets
from stackplan.quality import QualityScore
from stackplan.stack import Policy, RoleRequest
from stackplan.units import GIB
from stackplan.utility import wish_of, worth
from stackplan.utility_terms import Offered, explained
from stackplan.values import replace

WORKER = Role(
    id="worker",
    title="Worker",
    suits=("worker",),
    scale="general",
    mode="chat",
    engines=("llama.cpp",),
    default_tier="hot",
    context_floor_tokens=8192,
    context_wish_tokens=32768,
    speed_floor=4,
    speed_wish=30,
    port=8101,
)
GOOD = Offered(
    quality=QualityScore(80.0, Basis.PUBLISHED, "index 30"),
    quantisation="Q4_K_M",
    weight_loss=0.04,
    kv_type="q8_0",
    cache_loss=0.002,
    context_tokens=32768,
    decode_tokens_per_second=40.0,
    speed_basis=Basis.DERIVED,
    tier="hot",
    memory_bytes=18 * GIB,
)

offers = st.builds(
    Offered,
    quality=st.builds(QualityScore, st.floats(0, 100), st.just(Basis.PUBLISHED), st.just("a figure")),
    quantisation=st.just("Q4_K_M"),
    weight_loss=st.floats(0, 0.9),
    kv_type=st.just("q8_0"),
    cache_loss=st.floats(0, 0.1),
    context_tokens=st.integers(1, 1 << 20),
    decode_tokens_per_second=st.none() | st.floats(0, 500),
    speed_basis=st.just(Basis.DERIVED),
    tier=st.sampled_from(["hot", "warm", "cold"]),
    memory_bytes=st.integers(0, 2**41),
)
weights = st.floats(0, 1)
policies = st.builds(
    Policy,
    quality_weight=weights,
    speed_weight=weights,
    context_weight=weights,
    tier_weight=weights,
    memory_weight=weights,
)


@cache
def presets() -> dict[str, Policy]:
    return load_presets(bundled_folder("catalog") / "presets.yaml")


def value(offered: Offered, policy: Policy = Policy(), request: RoleRequest = RoleRequest("worker")) -> float:  # noqa: B008
    return worth(
        wish_of(WORKER, request, policy),
        offered.quality.points,
        offered.kept,
        offered.context_tokens,
        offered.decode_tokens_per_second,
        offered.tier,
        offered.memory_bytes,
    )


@given(offers, policies)
def test_the_worth_stays_within_0_and_100(offered: Offered, policy: Policy) -> None:
    assert 0 <= value(offered, policy) <= 100


@given(offers, policies)
def test_the_terms_add_up_to_the_worth(offered: Offered, policy: Policy) -> None:
    utility = explained(wish_of(WORKER, RoleRequest("worker"), policy), offered)
    assert utility.total == value(offered, policy)
    assert isclose(sum(term.points for term in utility.terms), utility.total, abs_tol=1e-9)


@given(offers, policies, st.integers(0, 1 << 20))
def test_more_context_never_lowers_it(offered: Offered, policy: Policy, more: int) -> None:
    assert value(replace(offered, context_tokens=offered.context_tokens + more), policy) >= value(offered, policy)


@given(offers, policies, st.floats(0, 500), st.floats(0, 500))
def test_more_speed_never_lowers_it(offered: Offered, policy: Policy, one: float, other: float) -> None:
    slow, fast = (replace(offered, decode_tokens_per_second=speed) for speed in sorted((one, other)))
    assert value(fast, policy) >= value(slow, policy)


@given(offers, policies, st.floats(0, 100), st.floats(0, 100))
def test_more_quality_never_lowers_it(offered: Offered, policy: Policy, one: float, other: float) -> None:
    low, high = (replace(offered, quality=QualityScore(p, Basis.ASSUMED, "")) for p in sorted((one, other)))
    assert value(high, policy) >= value(low, policy)


@given(offers, policies)
def test_a_warmer_tier_never_lowers_it(offered: Offered, policy: Policy) -> None:
    hot, warm, cold = (value(replace(offered, tier=tier), policy) for tier in ("hot", "warm", "cold"))
    assert hot >= warm >= cold


def test_an_option_that_falls_short_of_nothing_is_worth_its_quality_after_quantisation() -> None:
    assert isclose(value(GOOD), 80 * 0.96 * 0.998)


def test_the_first_halving_of_the_context_costs_less_than_the_last() -> None:
    full, half, floor = (value(replace(GOOD, context_tokens=tokens)) for tokens in (32768, 16384, 8192))
    assert 0 < full - half < half - floor


def test_nothing_is_gained_beyond_the_wish() -> None:
    assert value(replace(GOOD, context_tokens=131072, decode_tokens_per_second=200.0)) == value(GOOD)


def test_an_unknown_speed_lies_between_the_floor_and_the_wish() -> None:
    unknown, floor = (value(replace(GOOD, decode_tokens_per_second=speed)) for speed in (None, 4.0))
    assert floor < unknown < value(GOOD)


def test_a_role_without_a_speed_wish_does_not_care_for_speed() -> None:
    wish = wish_of(replace(WORKER, speed_floor=0, speed_wish=0), RoleRequest("worker"), Policy())
    assert worth(wish, 80, 1, 32768, 0.1, "hot") == worth(wish, 80, 1, 32768, None, "hot") == 80


def test_what_the_request_says_goes_before_the_roles_own_wish() -> None:
    modest = RoleRequest("worker", context_wish_tokens=8192, tier="warm")
    small = replace(GOOD, context_tokens=8192, tier="warm")
    assert value(small, request=modest) == value(GOOD)


def test_the_presets_change_what_wins() -> None:
    best_but_slow = replace(GOOD, decode_tokens_per_second=6.0, memory_bytes=60 * GIB)
    good_and_fast = replace(GOOD, quality=QualityScore(62.0, Basis.PUBLISHED, ""), decode_tokens_per_second=90.0)
    quality, speed = presets()["quality"], presets()["speed"]
    assert value(best_but_slow, quality) > value(good_and_fast, quality)
    assert value(best_but_slow, speed) < value(good_and_fast, speed)


def test_only_the_frugal_preset_counts_memory() -> None:
    large = replace(GOOD, memory_bytes=64 * GIB)
    cares = {name for name, policy in presets().items() if value(large, policy) < value(GOOD, policy)}
    assert cares == {"frugal"}


def test_the_balanced_preset_is_the_default_policy() -> None:
    assert presets()["balanced"] == Policy()


@pytest.mark.parametrize("name", ["context", "speed", "tier", "quantisation"])
def test_a_shortfall_is_a_term_with_its_reason(name: str) -> None:
    poor = replace(GOOD, context_tokens=16384, decode_tokens_per_second=10.0, tier="warm")
    terms = {term.name: term for term in explained(wish_of(WORKER, RoleRequest("worker"), Policy()), poor).terms}
    assert terms[name].points < 0
    assert terms[name].note
