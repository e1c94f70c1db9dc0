"""An engine is planned only where it computes: by the backends of the catalog, place by place."""

import pytest
from tests.plan.worlds import bundled, planned, with_models, with_policy

from stackplan.hardware import Backend
from stackplan.pipeline import Planned
from stackplan.placements import runs_at, whole_placements
from stackplan.profile import load_profile
from stackplan.stack import Policy

VLLM = ("cuda", "rocm", "cpu")
SPEACHES = ("cpu", "cuda")
LLAMA_CPP = ("cpu", "cuda", "rocm", "vulkan", "intel", "metal")


@pytest.mark.parametrize(
    ("machine", "backends", "places"),
    [
        ("rtx-3090", VLLM, [("gpu0",), ()]),
        ("rx-7900-xtx", SPEACHES, [()]),
        ("arc-b580", LLAMA_CPP, [("gpu0",), ()]),
        ("arc-b580", VLLM, [()]),
        ("m4-max-64gb", LLAMA_CPP, [("gpu0",)]),
        ("m4-max-64gb", SPEACHES, [()]),
        ("radeon-780m", VLLM, [()]),
        ("radeon-780m", ("cuda",), []),
        ("radeon-780m", (), [("gpu0",)]),
    ],
)
def test_places_of_an_engine(machine: str, backends: tuple[str, ...], places: list[tuple[str, ...]]) -> None:
    """The CPU of a machine whose GPU shares its memory is only for engines that cannot use that GPU."""
    host = load_profile(machine).host
    everywhere = whole_placements(host, Policy())
    assert [place.devices for place in everywhere if runs_at(host, place, backends)] == places


def _planned_with(machine: str, *engines: str) -> Planned:
    world = with_policy(bundled(machine, "everyday"), engines=engines, partial=True)
    shown = {
        model.id for model in world.catalog.models if any(set(file.engines) & set(engines) for file in model.artifacts)
    }
    return planned(with_models(world, sorted(shown)[:12]))


def test_no_plan_puts_an_engine_on_a_device_that_it_cannot_use() -> None:
    host = load_profile("radeon-780m").host
    assert host.gpus[0].backend is Backend.VULKAN
    result = _planned_with("radeon-780m", "vllm", "tei", "speaches")
    instances = result.plan.instances if result.plan else ()
    assert [one for one in instances if one.placement.devices] == []


@pytest.mark.parametrize(
    ("engine", "spreads"), [("llama.cpp", True), ("vllm", True), ("tei", False), ("speaches", False)]
)
def test_only_engines_that_can_lay_a_model_over_several_cards_are_offered_them(engine: str, spreads: bool) -> None:
    result = _planned_with("2x rtx-3090", engine)
    bases = [base for base in result.space.bases if base.served.engine == engine]
    assert bases
    assert any(len(base.placement.devices) > 1 for base in bases) == spreads
