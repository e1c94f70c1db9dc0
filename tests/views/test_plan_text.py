import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.render.plans import PLANS
from tests.views.worlds import everyday, gib, hostile, over_budget

from stackplan.plan import Proof
from stackplan.values import replace
from stackplan.views.bars import GLYPHS, PoolUse, cells, legend, pool_use, stacked_bar
from stackplan.views.plan import plan_text, proof_sentence
from stackplan.views.table import cell_width, inert, shorten, wrap

WIDE = """\
 rtx-3090-ti: NVIDIA GeForce RTX 3090 Ti, stack everyday, policy balanced

 gpu0 GeForce RTX 3090 Ti █████████████████████████████████▓▓▓▓▒╳░  23.5 / 24.0 GiB  free 0.5
 ram                      █▒╳╳╳░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░   7.4 / 64.0 GiB  free 56.6
 █ weights  ▓ KV  ▒ compute, other  ╳ reserved  ░ free

 role        model                       quant   context         tier  on        weights   KV  tok/s (est.)   basis
 worker      qwen3-32b                   Q4_K_M  2 x 16k (q8_0)  HOT   gpu0         18.4  2.1  34 (28-40)     derived
 front-door  qwen3-32b                   Q4_K_M  2 x 16k (q8_0)  HOT   gpu0       shared       34 (28-40)     derived
 embedding   nomic-embed-text-v2-moe     F16     512             HOT   cpu           0.9    -  -              measured
 code        qwen2.5-coder-14b-instruct  Q5_K_M  16k (q8_0)      WARM  gpu0          2.0  0.5  61 (55-70)     assumed
 vision      gemma-3-4b                  Q4_K_M  16k (q8_0)      WARM  gpu0          1.5  0.2  4.2 (3.1-5.0)  derived
 architect   gpt-oss-120b                MXFP4   16k (q8_0)      COLD  gpu0+cpu     59.0  1.0  11 (9-14)      derived

 Not served  because
 ocr         no memory: needs 6.1 GiB on gpu0, of which 0.5 are free; the smallest model that reads documents needs 4.2
 speech      no engine

 WARM: code, vision take turns in one place in memory; the bar counts the largest.
 COLD: architect on disk, started by hand while WARM models are out; not in the bars.
 note: the card drives a screen: 0.5 GiB are kept for it

 Best of 412 options, proved optimal. 81.8 GiB on disk.
 Next: stackplan apply rtx-3090-ti"""  # noqa: RUF001

NARROW_TOP = """\
 rtx-3090-ti: NVIDIA GeForce RTX 3090 Ti, stack everyday, policy balanced

 gpu0 RTX 3090 Ti ███████████████████████████▓▓▓▓▒╳░  23.5 / 24.0 GiB  free 0.5
 ram              █▒╳╳░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░   7.4 / 64.0 GiB  free 56.6
 █ weights  ▓ KV  ▒ compute, other  ╳ reserved  ░ free

 role        model                   tier  on        weights   KV  tok/s (est.)
 worker      qwen3-32b               HOT   gpu0         18.4  2.1  34 (28-40)
             Q4_K_M, 2 x 16k (q8_0), derived
 front-door  qwen3-32b               HOT   gpu0       shared       34 (28-40)
             Q4_K_M, 2 x 16k (q8_0), derived
 embedding   nomic-embed-text-v2-m…  HOT   cpu           0.9    -  -
             F16, 512, measured"""  # noqa: RUF001


def test_a_plan_at_120_columns_has_one_line_per_role() -> None:
    assert plan_text(everyday(), colour=False, width=120) == WIDE


def test_a_plan_at_80_columns_says_beneath_each_model_how_it_is_served() -> None:
    assert plan_text(everyday(), colour=False, width=80).startswith(NARROW_TOP)


@pytest.mark.parametrize("width", [72, 80, 100, 120, 200])
@pytest.mark.parametrize("plan", [everyday(), hostile(), *PLANS.values()], ids=lambda plan: inert(plan.profile)[:12])
def test_no_line_is_wider_than_the_terminal(plan, width) -> None:
    lines = plan_text(plan, colour=False, width=width).split("\n")
    assert [line for line in lines if cell_width(line) > width] == []


def test_colour_adds_nothing_but_colour() -> None:

    coloured = plan_text(everyday(), colour=True, width=100)
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plan_text(everyday(), colour=False, width=100)


def test_names_cannot_steer_the_terminal_or_start_a_line_of_their_own() -> None:
    text = plan_text(hostile(), colour=False, width=120)
    assert all(letter.isprintable() for line in text.split("\n") for letter in line)
    assert not any(line.strip().startswith(("next: rm", "ole")) for line in text.split("\n"))


def test_ascii_terminals_get_ascii_only() -> None:
    assert plan_text(everyday(), colour=False, width=100, ascii_only=True).isascii()


def test_a_caller_that_has_applied_the_plan_names_the_next_step_itself() -> None:
    text = plan_text(everyday(), colour=False, width=100, next_step="stackplan download --tier hot")
    assert text.endswith("Next: stackplan download --tier hot")


def test_warm_models_of_one_place_count_as_the_largest_of_them() -> None:
    plan = everyday()
    use = pool_use(plan, replace(plan.host.pools[1], used_bytes=0))
    assert use.weights_bytes == gib(18.0) + gib(2.0)  # the coder; the vision model takes turns, the COLD giant is out
    assert use.kv_bytes == gib(2.1) + gib(0.5)


def test_what_the_plan_counts_beyond_demands_is_shown_as_other() -> None:
    plan = everyday()
    use = pool_use(plan, plan.host.pools[1])
    assert use.weights_bytes + use.kv_bytes + use.other_bytes == gib(23.0)


def test_a_pool_over_its_budget_says_by_how_much() -> None:
    plan = everyday()
    plan = replace(plan, host=replace(plan.host, pools=(over_budget(),)), instances=(), roles=())
    assert "short 2.0" in plan_text(plan, colour=False, width=80)


@pytest.mark.parametrize(
    ("proof", "told"),
    [
        (Proof("optimal", 1.0, 0.0, 412, 0, "x"), "Best of 412 options, proved optimal."),
        (
            Proof("time limit", 1.0, 0.0134, 412, 0, "x"),
            "Best found of 412 options, not proved optimal: nothing can be more than 1.3 % better.",
        ),
    ],
)
def test_the_proof_is_claimed_only_where_it_was_given(proof, told) -> None:
    assert proof_sentence(proof) == told


@given(st.lists(st.integers(0, 2**45), min_size=5, max_size=5), st.integers(8, 60))
@settings(max_examples=200)
def test_cells_add_up_to_the_bar_and_hide_nothing(parts, width) -> None:
    drawn = cells(parts, width)
    assert sum(drawn) == width
    assert all(count >= 0 for count in drawn)
    assert all(count for part, count in zip(parts, drawn, strict=True) if part)
    assert len(stacked_bar(parts, width, colour=False)) == width


def test_the_legend_names_only_symbols_in_use() -> None:
    assert legend([PoolUse(5, 0, 0, 0, 5)], colour=False) == "█ weights"
    assert len({glyph.sign for glyph in GLYPHS}) == len({glyph.ascii for glyph in GLYPHS}) == len(GLYPHS)


@given(st.text(), st.integers(2, 40))
@settings(max_examples=300)
def test_shortened_and_wrapped_text_keeps_within_its_cells(text, width) -> None:
    assert cell_width(shorten(inert(text), width)) <= width
    assert all(cell_width(line) <= max(width, 6) for line in wrap(text, max(width, 6)))
    assert inert(text).isprintable()


def test_what_is_traded_away_comes_before_the_verdict() -> None:
    lines = plan_text(everyday(), colour=False, width=100, traded=" Traded away").split("\n")
    assert lines.index(" Traded away") < lines.index(" Best of 412 options, proved optimal. 81.8 GiB on disk.")
