"""``catalog/routing.yaml`` as values: part of the program like the templates, read once and never changed by a run."""

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

from stackplan.bundled import bundled_folder

CHAT = "chat"
HEAVY = "heavy"


class Depth(StrEnum):
    """How much a task asks of a model."""

    PLAIN = "plain"
    STAGES = "stages"
    DEEP = "deep"


@dataclass(frozen=True, slots=True)
class Task:
    """A kind of task: the roles made for it, best first, the endpoint and the input that it needs.

    ``without`` is `HEAVY` where the heaviest model stands in for roles that a plan does not have.
    """

    roles: tuple[str, ...]
    endpoint: str = CHAT
    input: str = ""
    without: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a service: what is asked, how deep, and by how many at the same time."""

    task: str
    depth: Depth = Depth.PLAIN
    agents: int = 1


@dataclass(frozen=True, slots=True)
class Service:
    """What an application of one sort asks for, in its order."""

    title: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class RoutingPolicy:
    """Everything that `routing.yaml` says. ``narrow`` roles answer their own kind, and others as a last resort."""

    tasks: dict[str, Task]
    narrow: frozenset[str]
    services: dict[str, Service]


@cache
def routing_policy() -> RoutingPolicy:
    """The bundled policy. A mistake in it is a bug of stackplan: KeyError, TypeError or ValueError."""
    from stackplan.strict_yaml import read_yaml  # noqa: PLC0415  (YAML)

    data: dict[str, Any] = read_yaml(bundled_folder("catalog") / "routing.yaml").data
    tasks = {name: Task(**{**entry, "roles": tuple(entry["roles"])}) for name, entry in data["tasks"].items()}
    services = {
        name: Service(entry["title"], tuple(_step(step, tasks) for step in entry["steps"]))
        for name, entry in data["services"].items()
    }
    return RoutingPolicy(tasks, frozenset(data["narrow"]), services)


def _step(entry: dict[str, Any], tasks: dict[str, Task]) -> Step:
    if entry["task"] not in tasks:
        raise ValueError(f"routing.yaml: there is no task {entry['task']!r}")
    return Step(entry["task"], Depth(entry.get("depth", Depth.PLAIN)), int(entry.get("agents", 1)))
