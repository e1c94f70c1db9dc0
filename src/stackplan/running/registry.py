"""The supervisors that `up` can use, and which one this machine has."""

import sys
from importlib import import_module

from stackplan.errors import UserError
from stackplan.running.site import Site
from stackplan.running.supervisor import Supervisor

# Name -> module of this package, loaded when asked for. Native ones in the order in which they are preferred.
SUPERVISORS: dict[str, str] = {
    "launchd": "launchd",
    "systemd": "systemd",
    "supervisord": "supervisord",
    "compose": "compose",
}
NATIVE = ("launchd", "systemd", "supervisord")
CHOICES = ("auto", "native", *SUPERVISORS)


def supervisor(name: str) -> Supervisor:
    """The supervisor called ``name``."""
    module: Supervisor = import_module(f"stackplan.running.{SUPERVISORS[name]}")
    return module


def choose(wish: str, site: Site, before: str | None) -> str:
    """The name of the supervisor for ``wish``; ``auto`` keeps the one that was used ``before``.

    ``auto`` is compose where its files were rendered and Docker answers, else native. Raises `UserError` with the
    reasons when none can be used.
    """
    if wish not in CHOICES:
        raise UserError(f"there is no way {wish!r}", hint=f"--with {', '.join(CHOICES)}", slug="bad-with")
    if wish == "auto" and before:
        return before
    candidates = _candidates(wish)
    reasons = {name: supervisor(name).obstacle(site) for name in candidates}
    if name := next((name for name in candidates if not reasons[name]), None):
        return name
    told = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
    raise UserError(told, hint=f"choose another: --with {', '.join(CHOICES)}", slug="no-supervisor")


def _candidates(wish: str) -> tuple[str, ...]:
    if wish == "native":
        return NATIVE
    if wish == "auto":  # macOS shows containers no GPU
        return NATIVE if sys.platform == "darwin" else ("compose", *NATIVE)
    return (wish,)
