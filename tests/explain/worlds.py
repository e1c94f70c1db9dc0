"""A small machine and a catalog of four invented models: fast enough to plan many times over."""

import json
from pathlib import Path

from stackplan.cli.world import Asked, read_world
from stackplan.needs import RoleNeed
from stackplan.pipeline import Planned, World
from stackplan.values import replace

HERE = Path(__file__).parent
MODELS = ("fern-15b", "fern-2b", "fern-8b", "moss-9b")


def world(*settings: str, **changes: object) -> World:
    """The small machine with the stack of a worker and a coder, and with only the four models."""
    asked = Asked(
        profile=str(HERE / "machine.yaml"), stack=str(HERE / "pair.yaml"), catalog=HERE / "catalog", settings=settings
    )
    found = read_world(replace(asked, **changes))
    models = tuple(model for model in found.catalog.models if model.id in MODELS)
    assert len(models) == len(MODELS)
    return replace(found, catalog=replace(found.catalog, models=models))


def whole(asked: World) -> World:
    """The world without models that are partly in host memory, so that a card can be too small for two."""
    policy = replace(asked.request.policy, allow_partial_offload=False)
    return replace(asked, request=replace(asked.request, policy=policy))


def need(planned: Planned, role: str) -> RoleNeed:
    return next(each for each in planned.frame.needs if each.id == role)


def arguments(verb: str, *given: str) -> list[str]:
    """The same world for the command line, where the bundled models are forbidden family by family."""
    bundled = read_world(Asked(profile=str(HERE / "machine.yaml"), stack=str(HERE / "pair.yaml")))
    families = sorted({model.family for model in bundled.catalog.models})
    return [
        verb,
        *given,
        *("--stack", str(HERE / "pair.yaml"), "--catalog", str(HERE / "catalog")),
        *(f"--forbid={family}" for family in families),
    ]


def machine() -> str:
    return str(HERE / "machine.yaml")


def values(text: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(text)
    return found
