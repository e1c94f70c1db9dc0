"""What every verb that plans reads first: profile or machine, stack, policy, catalog; and what the user sets on top."""

import shlex
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from stackplan.cli.described import described_host
from stackplan.cli.kept import kept_measurements
from stackplan.effort import QUICK, THOROUGH
from stackplan.errors import UserError
from stackplan.hardware import Basis, Host, Reservation
from stackplan.pipeline import World
from stackplan.profile_yaml import Profile, check_endpoints
from stackplan.settings import with_context_limit, with_settings
from stackplan.stack import Policy, Request, Stack
from stackplan.units import parse_bytes
from stackplan.values import replace


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of a planning verb, as given."""

    profile: str | None = None
    host: Path | None = None
    stack: str | None = None
    catalog: Path | None = None
    settings: tuple[str, ...] = ()
    forbid: tuple[str, ...] = ()
    policy: str | None = None
    headroom: str | None = None
    vram: tuple[str, ...] = ()
    ram: str | None = None
    commercial: bool = False
    partial: bool = False
    idle: bool = False
    prove: bool = False
    no_measurements: bool = False


def read_world(asked: Asked) -> World:
    """Everything that planning rests on. Raises UserError for anything that is not understood."""
    from stackplan.catalog_files import catalog_folders  # noqa: PLC0415
    from stackplan.catalog_index import load_catalog  # noqa: PLC0415
    from stackplan.judgement_index import load_judgement  # noqa: PLC0415

    folders = catalog_folders(asked.catalog)
    machine = _machine(asked)
    host, policy = machine.host, machine.policy
    catalog = load_catalog(folders)
    judgement = load_judgement(folders)
    stack = _stack(asked.stack or machine.stack, catalog.roles)
    check_endpoints(machine, stack, catalog.roles)
    stack = with_settings(stack, asked.settings, catalog, host)
    stack = with_context_limit(stack, catalog.roles, machine.runtime.context_limit_tokens)
    if asked.policy is not None:
        policy = _preset(asked.policy, judgement.presets)
    policy = replace(
        policy,
        forbid=(*policy.forbid, *asked.forbid),
        commercial=policy.commercial or asked.commercial,
        partial=policy.partial or asked.partial,
    )
    return World(
        profile=machine.id,
        host=_adjusted(host, policy, asked),
        request=Request(stack, policy),
        catalog=catalog,
        judgement=judgement,
        speed=_speed(folders),
        runtime=machine.runtime,
        fallbacks=machine.fallbacks,
        measurements=() if asked.no_measurements else kept_measurements(),
        effort=THOROUGH if asked.prove else QUICK,
    )


def _machine(asked: Asked) -> Profile:
    ram = _size("--ram", asked.ram) if asked.ram else None
    if asked.profile is not None and asked.host is not None:
        raise UserError("a profile and --host are two machines", hint="give one of them", slug="bad-options")
    if asked.profile is not None:
        from stackplan.profile import load_profile  # noqa: PLC0415

        return load_profile(asked.profile, ram_bytes=ram)
    if ram is not None:
        raise UserError("--ram is for a declared machine", hint="name a profile or device too", slug="bad-options")
    host = described_host(asked.host) if asked.host else _detected()
    host = _idle(host) if asked.idle else host
    return Profile("", host, "everyday", Policy())


def _detected() -> Host:
    from stackplan.detect import detect_host  # noqa: PLC0415

    return detect_host()


def say_how_this_machine_differs(asked: Asked, host: Host) -> None:
    """Tell, as a note, that what was planned for another machine is being applied on this one."""
    from stackplan.host_difference import host_differences  # noqa: PLC0415

    if asked.profile is None and asked.host is None:
        return
    try:
        found = host_differences(host, _detected())
    except UserError:  # what cannot be told is no difference
        return
    if found:
        print(f"note: this machine is another: {'; '.join(found)}", file=sys.stderr)


def _idle(host: Host) -> Host:
    from stackplan.idle_host import idle_host  # noqa: PLC0415

    return idle_host(host)


def _stack(name: str, roles: tuple[Any, ...]) -> Stack:
    from stackplan.bundled import search_folders  # noqa: PLC0415
    from stackplan.stack_yaml import load_stack  # noqa: PLC0415

    if name.endswith((".yaml", ".yml")):
        return load_stack(Path(name), roles)
    known = {p.stem: p for f in reversed(search_folders("profiles")) for p in sorted((f / "stacks").glob("*.yaml"))}
    if name not in known:
        hint = f"stacks are {', '.join(sorted(known))}; or give a YAML file"
        raise UserError(f"there is no stack {name!r}", hint=hint, slug="unknown-stack")
    return load_stack(known[name], roles)


def _preset(name: str, presets: Any) -> Policy:
    if name not in presets:
        hint = f"policies are {', '.join(sorted(presets))}"
        raise UserError(f"there is no policy {name!r}", hint=hint, slug="unknown-policy")
    preset: Policy = presets[name]
    return preset


def _speed(folders: tuple[Path, ...]) -> Any:
    from stackplan.estimate.speed_model import speed_model  # noqa: PLC0415
    from stackplan.speed_index import load_speed  # noqa: PLC0415

    return speed_model(load_speed(folders))


def _adjusted(host: Host, policy: Policy, asked: Asked) -> Host:
    sizes = dict(policy.vram_override_bytes) | dict(_pool_size(text, host) for text in asked.vram)
    headroom = _size("--headroom", asked.headroom) if asked.headroom else policy.headroom_bytes
    pools = tuple(_pool(pool, sizes.get(pool.id), headroom) for pool in host.pools)
    return replace(host, pools=pools)


def _pool(pool: Any, size: int | None, headroom: int) -> Any:
    if size is not None:
        pool = replace(pool, capacity_bytes=size, unknown="")
    if headroom:
        line = Reservation("asked headroom", headroom, Basis.ASSUMED, "--headroom or the policy")
        pool = replace(pool, reserved=(*pool.reserved, line))
    return pool


def with_pool_size(host: Host, text: str) -> Host:
    """The host with another size of one pool, written POOL=SIZE. Raises UserError."""
    name, size = _pool_size(text, host)
    pools = (replace(p, capacity_bytes=size, unknown="") if p.id == name else p for p in host.pools)
    return replace(host, pools=tuple(pools))


def _pool_size(text: str, host: Host) -> tuple[str, int]:
    name, _, size = text.partition("=")
    known = [pool.id for pool in host.pools]
    if name not in known or not size:
        raise UserError(f"--vram {text} is not POOL=SIZE", hint=f"pools here: {', '.join(known)}", slug="bad-size")
    return name, _size("--vram", size)


def _size(option: str, text: str) -> int:
    try:
        size = parse_bytes(text)
    except ValueError as error:
        raise UserError(f"{option}: {error}", hint=f"like {option} 20GiB", slug="bad-size") from error
    if size <= 0:
        raise UserError(f"{option} must be greater than 0", hint=f"like {option} 20GiB", slug="bad-size")
    return size


def asked_from(values: dict[str, Any]) -> Asked:
    """The `Asked` of a verb's own parameters, by name; lists become tuples and None keeps the default."""
    known = {field.name for field in fields(Asked)}
    given: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in values.items() if n in known}
    return Asked(**{name: value for name, value in given.items() if value is not None})


def option_of(name: str) -> str:
    """How a field of `Asked` is written on the command line."""
    return "--set" if name == "settings" else f"--{name.replace('_', '-')}"


def same_asked_of(verb: str, asked: Asked) -> str:
    """The command that asks another verb for the same plan, quoted for a shell: what is left out would plan another."""
    words = ["stackplan", verb, *([asked.profile] if asked.profile is not None else [])]
    for field in fields(Asked)[1:]:
        option, value = option_of(field.name), getattr(asked, field.name)
        if value is True:
            words.append(option)
        elif value not in (None, False):
            words += [
                word for each in (value if isinstance(value, tuple) else (value,)) for word in (option, str(each))
            ]
    return shlex.join(words)
