"""Plan -> {path: text}: one module per target; writes nothing."""

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Protocol

from stackplan.errors import UserError
from stackplan.plan import Plan
from stackplan.render.names import check_names
from stackplan.render.references import check_references
from stackplan.render.servers import is_macos


class Target(Protocol):
    """What a target module offers. Paths are relative, with forward slashes; same plan, same bytes."""

    def render(self, plan: Plan) -> dict[str, str]:
        """The target's files; empty when the plan has nothing for it. Raises `UserError` when it cannot serve it."""
        ...


# Target name -> module of this package (loaded when asked for) and the targets whose files its own refer to.
TARGETS: dict[str, tuple[str, tuple[str, ...]]] = {
    "plan": ("plan_file", ()),
    "env": ("environment_example", ()),
    "compose": ("compose", ("env", "litellm", "llama.cpp", "speaches")),
    "ollama": ("ollama", ()),
    "litellm": ("litellm", ()),
    "tensorzero": ("tensorzero", ()),
    "llama.cpp": ("llama_preset", ()),
    "speaches": ("speaches", ()),
    "routing": ("routing_table", ()),
    "llama-swap": ("llama_swap", ()),
    "systemd": ("systemd", ("litellm", "llama.cpp")),
    "launchd": ("launchd", ("litellm", "llama.cpp")),
    "quadlet": ("quadlet", ("litellm", "llama.cpp", "speaches")),
    "prometheus": ("prometheus", ()),
    "nginx": ("nginx", ()),
    "open-webui": ("open_webui", ("compose",)),
}


def target_names() -> tuple[str, ...]:
    """The targets that ship with stackplan, in the order in which they are documented."""
    return tuple(TARGETS)


def default_targets(plan: Plan) -> tuple[str, ...]:
    """What `apply` writes when the user names no target: native on macOS, containers elsewhere."""
    common = ("plan", "env", "ollama", "litellm", "tensorzero", "llama.cpp", "routing")
    return (*common, "launchd") if is_macos(plan) else (*common, "compose")


def render_plan(
    plan: Plan, targets: Iterable[str] | None = None, extra: Mapping[str, Target] | None = None
) -> dict[str, str]:
    """Every file of the targets (default: `default_targets`) and of those they refer to, sorted by path.

    ``extra`` holds the user's own targets by name. Raises `UserError` for an unknown target, for a name that
    cannot be written safely, and when two targets claim one path.
    """
    check_names(plan)
    check_references(plan)
    chosen = tuple(targets) if targets is not None else default_targets(plan)
    files: dict[str, str] = {}
    for name in _with_needed(chosen, extra or {}):
        for path, text in _load(name, extra or {}).render(plan).items():
            if path in files:
                raise UserError(
                    f"two targets write {path}; the second is {name!r}",
                    hint="rename the output in the target's manifest, or leave one target out",
                    slug="path-conflict",
                )
            files[path] = text
    return dict(sorted(files.items()))


def _with_needed(chosen: tuple[str, ...], extra: Mapping[str, Target]) -> list[str]:
    wanted: list[str] = []
    waiting = list(chosen)
    while waiting:
        name = waiting.pop(0)
        if name not in TARGETS and name not in extra:
            raise UserError(
                f"there is no target {name!r}",
                hint=f"choose from {', '.join([*TARGETS, *sorted(extra)])}",
                slug="unknown-target",
            )
        if name not in wanted:
            wanted.append(name)
            waiting += TARGETS[name][1] if name in TARGETS else ()
    return wanted


def _load(name: str, extra: Mapping[str, Target]) -> Target:
    if name in extra:
        return extra[name]
    module: Target = import_module(f"stackplan.render.{TARGETS[name][0]}")
    return module
