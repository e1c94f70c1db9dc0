"""Profiles and catalog devices as tables, and one profile in full."""

from collections.abc import Iterable
from typing import Any

from stackplan.device_catalog import DeviceFacts
from stackplan.hardware import Host
from stackplan.host_json import host_to_json
from stackplan.profile import Profile
from stackplan.stack import Policy
from stackplan.units import format_gib
from stackplan.views.host import host_text


def profiles_text(profiles: Iterable[Profile]) -> str:
    """One line per profile: name, budgets of its pools, stack, title."""
    lines = [f"{'profile':24} {'stack':16} {'free for models (GiB)':36} title"]
    lines += [f"{one.id:24} {one.stack:16} {_budgets(one.host):36} {one.title}".rstrip() for one in profiles]
    return "\n".join(lines)


def profiles_data(profiles: Iterable[Profile]) -> list[dict[str, Any]]:
    """The same as plain data; integers in bytes."""
    return [
        {
            "id": profile.id,
            "title": profile.title,
            "stack": profile.stack,
            "pools": [
                {"id": pool.id, "kind": str(pool.kind), "budget_bytes": pool.budget_bytes}
                for pool in profile.host.pools
            ],
        }
        for profile in profiles
    ]


def devices_text(devices: Iterable[DeviceFacts]) -> str:
    """One line per device of the hardware catalog."""
    lines = [f"{'device':28} {'GiB':>6} {'GB/s':>6} {'W':>5} {'USD':>7}  {'as of':8} name"]
    for facts in devices:
        size = format_gib(facts.capacity_bytes) if facts.capacity_bytes else "?"
        rate = f"{facts.bandwidth_bytes_per_second / 10**9:.0f}" if facts.bandwidth_bytes_per_second else "?"
        watts, price = facts.tdp_watts or "?", facts.price_usd or "?"
        lines.append(f"{facts.id:28} {size:>6} {rate:>6} {watts:>5} {price:>7}  {facts.price_date:8} {facts.name}")
    return "\n".join(lines)


def profile_text(profile: Profile, *, ascii_only: bool = False) -> str:
    """The host's picture, the stack and what of the policy differs from the default."""
    default = Policy()
    names = [name for name in Policy.__dataclass_fields__ if getattr(profile.policy, name) != getattr(default, name)]
    policy = ", ".join(f"{name}={getattr(profile.policy, name)}" for name in names) or "default"
    picture = host_text(profile.host, ascii_only=ascii_only)
    return f"{picture}\n\n stack    {profile.stack}\n policy   {policy}\n source   {profile.source}"


def profile_data(profile: Profile) -> dict[str, Any]:
    """The same as plain data."""
    policy = {name: getattr(profile.policy, name) for name in Policy.__dataclass_fields__}
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in policy.items()}
    return {"id": profile.id, "stack": profile.stack, "policy": plain, "host": host_to_json(profile.host)}


def _budgets(host: Host) -> str:
    return "  ".join(f"{pool.id} {format_gib(pool.budget_bytes)}" for pool in host.pools)
