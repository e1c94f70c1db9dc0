"""Published figures become points that users of these models would recognise; without figures there is a prior."""

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackplan.bundled import bundled_folder
from stackplan.catalog import Catalog, Licence, Model, QualityFigure
from stackplan.catalog_index import load_catalog
from stackplan.hardware import Basis
from stackplan.judgement_yaml import load_quality
from stackplan.quality import prior_points, quality_of
from stackplan.quality_tables import Curve, QualityTables
from stackplan.values import replace

AA = "AA Intelligence Index (2026 re-scaled; best variant)"
LCB = "LiveCodeBench v6"


@cache
def catalog() -> Catalog:
    return load_catalog([bundled_folder("catalog")])


@cache
def tables() -> QualityTables:
    return load_quality(bundled_folder("catalog") / "quality.yaml")


def figure(metric: str, value: float, confidence: str = "high", date: str = "2026-09") -> QualityFigure:
    return QualityFigure(metric, value, date, "a test", confidence)


def model(
    *figures: QualityFigure, billions: float = 8.0, released: str = "2026-02", suits: tuple[str, ...] = ("worker",)
):
    size = int(billions * 1e9)
    licence = Licence("mit", "MIT", commercial=True, gated=False)
    return Model(
        "m",
        "M",
        "f",
        "l",
        released,
        "o/m",
        licence,
        32768,
        size,
        size,
        "t",
        1000,
        ("text",),
        suits,
        (),
        quality=figures,
    )


def points(model_id: str, scale: str) -> float:
    return quality_of(catalog().model(model_id), scale, tables()).points


@pytest.mark.parametrize(
    ("scale", "better", "worse"),
    [
        ("general", "qwen3.8-27b", "gemma-4-31b-it"),
        ("general", "gemma-4-31b-it", "gemma-4-26b-a4b-it"),
        ("general", "gemma-4-26b-a4b-it", "gpt-oss-120b"),
        ("general", "gpt-oss-120b", "gpt-oss-20b"),
        ("general", "gpt-oss-20b", "qwen3.5-9b"),
        ("general", "qwen3.5-9b", "qwen3-8b"),
        ("general", "qwen3-8b", "llama-3.1-8b-instruct"),
        ("code", "qwen3.8-27b", "gpt-oss-20b"),
        ("code", "qwen3.5-9b", "qwen2.5-coder-7b-instruct"),
        ("code", "qwen2.5-coder-32b-instruct", "qwen2.5-coder-7b-instruct"),
        ("watchdog", "qwen3guard-gen-0.6b", "llama-guard-3-8b"),
        ("embedding", "qwen3-embedding-0.6b", "embeddinggemma-300m"),
        ("embedding", "embeddinggemma-300m", "all-minilm-l6-v2"),
        ("code-embedding", "lateon-code", "bge-large-en-v1.5"),
        ("reranker", "qwen3-reranker-0.6b", "bge-reranker-v2-m3"),
        ("ocr", "lightonocr-2-1b", "qwen2.5-vl-7b-instruct"),
        ("speech", "parakeet-tdt-0.6b-v3", "whisper-large-v3-turbo"),
    ],
)
def test_the_bundled_catalog_is_in_the_order_that_its_users_know(scale: str, better: str, worse: str) -> None:
    assert points(better, scale) > points(worse, scale)


def test_models_of_2024_are_far_below_those_of_2026_of_the_same_size() -> None:
    assert points("qwen3.8-27b", "general") > points("qwen2.5-32b-instruct", "general") + 30


def test_every_scale_of_a_role_exists() -> None:
    assert {role.scale for role in catalog().roles} <= set(tables().scales)


def test_every_benchmark_of_a_scale_is_known_to_the_catalog() -> None:
    known = {figure.metric for model in catalog().models for figure in model.quality}
    asked = {metric.name for scale in tables().scales.values() for group in scale.groups for metric in group}
    assert asked <= known


def test_no_scale_rests_on_a_vendors_own_software_engineering_harness() -> None:
    asked = {metric.name for scale in tables().scales.values() for group in scale.groups for metric in group}
    assert not [name for name in asked if "SWE-bench" in name and "one harness" not in name and "NVIDIA" not in name]


def test_every_model_has_points_within_the_scale_on_every_scale() -> None:
    for scale in tables().scales:
        for each in catalog().models:
            assert 0 <= quality_of(each, scale, tables()).points <= 100


@given(st.floats(0, 60), st.floats(0, 60))
def test_a_better_figure_never_means_fewer_points(one: float, other: float) -> None:
    low, high = sorted((one, other))
    scored = [quality_of(model(figure(AA, value)), "general", tables()).points for value in (low, high)]
    assert scored[0] <= scored[1]


def test_a_lower_error_rate_means_more_points() -> None:
    wer = "Open ASR leaderboard avg WER % (lower is better)"
    scored = [quality_of(model(figure(wer, value), suits=("audio",)), "speech", tables()).points for value in (6, 9)]
    assert scored[0] > scored[1]


def test_a_figure_names_its_date_and_source() -> None:
    score = quality_of(model(figure(AA, 20)), "general", tables())
    assert score.basis is Basis.PUBLISHED
    assert "2026-09" in score.note
    assert "a test" in score.note


def test_a_vendors_own_figure_is_pulled_towards_the_prior() -> None:
    trusted = quality_of(model(figure(LCB, 95)), "code", tables()).points
    claimed = quality_of(model(figure(LCB, 95, "medium")), "code", tables()).points
    assert prior_points(model(), tables().scales["code"].prior) < claimed < trusted


def test_the_newest_figure_of_a_benchmark_counts() -> None:
    old_and_new = model(figure(AA, 40, date="2026-01"), figure(AA, 20, date="2026-06"))
    assert quality_of(old_and_new, "general", tables()) == quality_of(
        model(figure(AA, 20, date="2026-06")), "general", tables()
    )


def test_a_model_with_general_figures_only_is_bridged_to_code_and_says_so() -> None:
    score = quality_of(model(figure(AA, 20)), "code", tables())
    assert score.basis is Basis.DERIVED
    assert score.note.startswith("bridged from general")


@pytest.mark.parametrize("scale", ["general", "code", "math", "vision", "embedding", "reranker", "speech", "ocr"])
def test_a_model_without_figures_is_neither_free_nor_at_the_top(scale: str) -> None:
    unknown = model(billions=30, released="2026-11", suits=("worker", "code", "vision", "ocr", "math"))
    score = quality_of(unknown, scale, tables())
    best = max(quality_of(each, scale, tables()).points for each in catalog().models if each.quality)
    assert score.basis is Basis.ASSUMED
    assert 0 < score.points < best


@given(st.floats(0.1, 400), st.floats(0.1, 400))
def test_the_prior_never_falls_with_size(one: float, other: float) -> None:
    small, large = sorted((one, other))
    for scale in tables().scales.values():
        assert prior_points(model(billions=small), scale.prior) <= prior_points(model(billions=large), scale.prior)


def test_a_sparse_model_is_assumed_to_lie_between_its_active_and_its_whole_size() -> None:
    prior = tables().scales["general"].prior
    sparse = replace(model(billions=30), active_parameters=3_000_000_000)
    assert (
        prior_points(model(billions=3), prior) < prior_points(sparse, prior) < prior_points(model(billions=30), prior)
    )


def test_an_unknown_date_or_size_does_not_break_the_prior() -> None:
    for odd in (model(released=""), model(released="soon"), model(released="2026"), replace(model(), parameters=1)):
        assert prior_points(odd, tables().scales["general"].prior) >= 1


def test_a_curve_is_constant_beyond_its_ends_and_straight_between() -> None:
    curve = Curve((0.0, 10.0), (5.0, 25.0))
    assert [curve.at(x) for x in (-1, 0, 5, 10, 99)] == [5, 5, 15, 25, 25]
