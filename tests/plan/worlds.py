"""Bundled worlds by name, read once and planned in process; slices of the bundled catalog for small worlds."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from stackplan.cli.world import Asked, read_world
from stackplan.pipeline import Planned, World, plan_world
from stackplan.plan import plan_to_json
from stackplan.values import replace

ROOT = Path(__file__).resolve().parents[2]
PROFILES = sorted(path.stem for path in (ROOT / "profiles").glob("*.yaml"))
STACKS = sorted(path.stem for path in (ROOT / "profiles" / "stacks").glob("*.yaml"))


@lru_cache(maxsize=256)
def bundled(profile: str, stack: str) -> World:
    return read_world(Asked(profile=profile, stack=stack))


def raw(path: str) -> Any:
    """A bundled YAML file as it stands, read without stackplan."""
    return yaml.load((ROOT / path).read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)


def with_models(world: World, ids: list[str]) -> World:
    """The world with only some models of its catalog."""
    chosen = set(ids)
    kept = tuple(model for model in world.catalog.models if model.id in chosen)
    return replace(world, catalog=replace(world.catalog, models=kept))


def with_policy(world: World, **changes: Any) -> World:
    return replace(world, request=replace(world.request, policy=replace(world.request.policy, **changes)))


def as_json(planned: Planned) -> dict[str, Any]:
    assert planned.plan is not None
    decoded: dict[str, Any] = json.loads(plan_to_json(planned.plan))
    return decoded


def planned(world: World) -> Planned:
    return plan_world(world)
