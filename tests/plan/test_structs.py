"""What a plan makes by the hundred is made quickly: a frozen dataclass takes ten times as long as a Struct."""

from tests.calls import frozen_dataclasses_made
from tests.plan.worlds import bundled

from stackplan.pipeline import plan_world

MANY = 200
SAVED = {"SpeedEstimate", "Placement", "Acceleration"}  # parts of a plan, which pydantic reads back


def test_what_a_plan_makes_by_the_hundred_is_no_dataclass() -> None:
    world = bundled("rtx-3090-ti", "orchestrator")

    made = frozen_dataclasses_made(lambda: plan_world(world))
    many = {name for name, count in made.items() if count >= MANY}

    assert many & SAVED  # dataclasses are seen
    assert many <= SAVED, f"make Structs of them (docs/adr/0020): {many - SAVED}"
