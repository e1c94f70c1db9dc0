"""A profile's YAML as a `Profile`; what was checked once is kept, by content, and not checked again."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from stackplan.bundled import cache_folder
from stackplan.catalog import Role
from stackplan.errors import UserError
from stackplan.hardware import Basis, Cpu, Disk, Host, Reservation
from stackplan.remote import RemoteEndpoint, remote_endpoints
from stackplan.runtime import Runtime
from stackplan.stack import Policy, Stack
from stackplan.values import replace

if TYPE_CHECKING:
    from stackplan.device_catalog import DeviceFacts
    from stackplan.profile_schema import (
        DeviceSchema,
        HostSchema,
        PolicySchema,
        ProfileFile,
        ReservationSchema,
        RuntimeSchema,
    )

_LONGEST_FILE = 1024 * 1024
_HINT = "correct that line; docs/detect.md shows the shape of a profile"


@dataclass(frozen=True, slots=True)
class Profile:
    """A host, the name of the stack that it serves, the policy that weighs wishes; what runs it, what may stand in."""

    id: str
    host: Host
    stack: str
    policy: Policy
    title: str = ""
    source: str = ""
    runtime: Runtime = field(default=Runtime())
    fallbacks: tuple[RemoteEndpoint, ...] = ()


def read_profile(path: Path, *, ram_bytes: int | None = None) -> Profile:
    """The profile in ``path``. Raises UserError with file, line and field of the first mistake."""
    content = read_bytes(path)
    file = _indexed(content) or _checked(path, content)
    try:
        host = _host(path.stem, file, ram_bytes)
    except _UnknownDeviceError as error:
        from stackplan.strict_yaml import parse_yaml  # noqa: PLC0415

        place = ("host", "devices", error.index, "device")
        raise parse_yaml(content, path).error(place, error.problem, hint=error.hint) from None
    return Profile(
        id=path.stem,
        host=host,
        stack=file.stack,
        policy=_policy(file.policy),
        title=file.title,
        source=str(path),
        runtime=_runtime(file.runtime),
        fallbacks=remote_endpoints(file.fallbacks),
    )


def read_bytes(path: Path) -> bytes:
    """The content of a profile; a `UserError` when it cannot be read or is far too long for one."""
    try:
        with path.open("rb") as stream:
            content = stream.read(_LONGEST_FILE + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "is no path"
        raise UserError(
            f"{path}: {reason}", hint="check the path and its permissions", slug="unreadable-file"
        ) from None
    if len(content) > _LONGEST_FILE:
        hint = "a profile is a few lines; docs/detect.md shows one"
        raise UserError(f"{path}: longer than {_LONGEST_FILE} bytes", hint=hint, slug="bad-yaml")
    return content


def check_endpoints(profile: Profile, stack: Stack, roles: Iterable[Role]) -> None:
    """Raise UserError when a fallback of the profile names no role, or has the name of one of the stack's."""
    known = {role.id for role in roles}
    taken = {endpoint.name for endpoint in stack.fallbacks}
    for index, endpoint in enumerate(profile.fallbacks):
        if endpoint.name in taken:
            message = f"the stack {stack.id} declares a fallback {endpoint.name!r} too"
            raise _error_in(profile, ("fallbacks", index, "name"), message, "give one of them another name")
        for place, role in enumerate(endpoint.roles):
            if role not in known:
                hint = f"roles are: {', '.join(sorted(known))}"
                raise _error_in(profile, ("fallbacks", index, "roles", place), f"there is no role {role!r}", hint)


def _error_in(profile: Profile, place: tuple[str | int, ...], message: str, hint: str) -> UserError:
    from stackplan.strict_yaml import parse_yaml  # noqa: PLC0415

    path = Path(profile.source)
    return parse_yaml(read_bytes(path), path).error(place, message, hint=hint)


def _checked(path: Path, content: bytes) -> "ProfileFile":
    from stackplan.profile_schema import ProfileFile  # noqa: PLC0415  (pydantic)
    from stackplan.strict_yaml import parse_yaml  # noqa: PLC0415
    from stackplan.yaml_schema import checked  # noqa: PLC0415

    document = parse_yaml(content, path)
    file = checked(document, ProfileFile, _HINT)
    if (file.host is None) == (file.recorded is None):
        raise document.error((), "give either host or recorded", hint=_HINT)
    _keep(content, file)
    return file


def _index_path(content: bytes) -> Path:
    """Where the checked form of ``content`` is kept; another shape of profiles has other places."""
    schema = b"".join(Path(__file__).with_name(f"{name}_schema.py").read_bytes() for name in ("profile", "remote"))
    return cache_folder() / f"profile-{hashlib.sha256(schema + content).hexdigest()[:24]}.json"


def _indexed(content: bytes) -> "ProfileFile | None":
    """The checked form of a profile that was read before: it saves the 0.15 s that pydantic and YAML take."""
    try:
        kept = json.loads(_index_path(content).read_bytes(), object_hook=lambda fields: SimpleNamespace(**fields))
    except (OSError, ValueError, TypeError):
        return None
    return cast("ProfileFile", kept) if isinstance(kept, SimpleNamespace) and hasattr(kept, "policy") else None


def _keep(content: bytes, file: "ProfileFile") -> None:
    """Saved machines are not kept: their check is `host_from_json`'s."""
    if file.host is None:
        return
    path = _index_path(content)
    draft = path.with_suffix(".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(file.model_dump_json(), encoding="utf-8")
        draft.replace(path)
    except OSError:
        return  # A read-only home costs time, not an error.


class _UnknownDeviceError(Exception):
    def __init__(self, index: int, problem: str, hint: str) -> None:
        super().__init__(problem)
        self.index, self.problem, self.hint = index, problem, hint


def _host(profile_id: str, file: "ProfileFile", ram_bytes: int | None) -> Host:
    if file.host is None:
        from stackplan.host_json import host_from_json  # noqa: PLC0415

        if ram_bytes is not None:
            hint = "leave out --ram, or declare the host"
            raise UserError("--ram cannot change a saved machine", hint=hint, slug="bad-options")
        return replace(host_from_json(file.recorded), id=profile_id)
    from stackplan.declared_host import DeclaredMachine, declare_host  # noqa: PLC0415

    spec, ram = file.host, file.host.ram
    bandwidth = None if ram.bandwidth_gb_per_second is None else round(ram.bandwidth_gb_per_second * 10**9)
    notes = [f"memory bandwidth: {ram.source}"] if ram.source else []
    machine = DeclaredMachine(
        id=profile_id,
        name=file.title or profile_id,
        ram_bytes=ram_bytes or ram.capacity,
        operating_system=spec.os,
        machine=spec.machine,
        cpu=_cpu(spec, bandwidth),
        ram_reserved=_lines(ram.reserved),
        disk=_disk(spec),
        notes=tuple(notes),
    )
    return declare_host(machine, _devices(spec.devices))


def _cpu(spec: "HostSchema", bandwidth: int | None) -> Cpu:
    cpu = spec.cpu
    return Cpu(cpu.model, cpu.cores, cpu.threads, tuple(cpu.instruction_sets), cpu.numa_nodes, bandwidth)


def _disk(spec: "HostSchema") -> Disk | None:
    disk = spec.disk
    return Disk(disk.path, disk.capacity, disk.free, disk.kind, disk.read_bytes_per_second) if disk else None


def _devices(specs: "list[DeviceSchema]") -> list[Any]:
    from stackplan.declared_host import DeclaredDevice  # noqa: PLC0415

    declared: list[DeclaredDevice] = []
    for index, spec in enumerate(specs):
        one = DeclaredDevice(_facts(spec.device, index), spec.memory, spec.desktop, _lines(spec.reserved))
        declared += [one] * spec.count
    if len(declared) > 1 and any(device.facts.unified for device in declared):
        raise _UnknownDeviceError(0, "a unified device cannot stand beside others", "declare one unified device alone")
    return declared


def _facts(device_id: str, index: int) -> "DeviceFacts":
    from stackplan.device_catalog_yaml import load_device_catalog  # noqa: PLC0415

    catalog = load_device_catalog()
    facts = catalog.get(device_id)
    if facts is None:
        near = ", ".join(catalog.nearest(device_id))
        hint = f"did you mean {near}?" if near else "see `stackplan profiles list --devices`"
        raise _UnknownDeviceError(index, f"{device_id!r} is not in the hardware catalog", hint)
    return facts


def _lines(specs: "list[ReservationSchema]") -> tuple[Reservation, ...]:
    note = "declared by the profile"
    return tuple(Reservation(line.name, line.size, Basis.ASSUMED, line.note or note) for line in specs)


def _fields(spec: "PolicySchema") -> dict[str, Any]:
    """Fields of a policy, read from YAML or from the index."""
    fields = dict(vars(spec))
    if fields.get("vram_override") is not None:
        override = fields["vram_override"]
        fields["vram_override"] = override if isinstance(override, dict) else dict(vars(override))
    return fields


def _runtime(spec: "RuntimeSchema") -> Runtime:
    fields = dict(vars(spec))
    limit = fields.pop("context_limit")
    return Runtime(**fields, context_limit_tokens=limit)


def _policy(spec: "PolicySchema") -> Policy:
    given = {key: value for key, value in _fields(spec).items() if value is not None}
    renamed = {
        "headroom": "headroom_bytes",
        "vram_override": "vram_override_bytes",
        "prompt_cache": "prompt_cache_bytes",
    }
    values: dict[str, Any] = {
        renamed.get(key, key): tuple(value) if isinstance(value, list) else value for key, value in given.items()
    }
    return Policy(**values)
