"""A named host with a stack and a policy: a YAML file, or on the fly from a device of the hardware catalog."""

import re
from dataclasses import dataclass
from dataclasses import replace as dataclass_replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackplan.bundled import config_folder, search_folders
from stackplan.errors import UserError
from stackplan.hardware import Basis, Cpu, Disk, Host, Reservation
from stackplan.stack import Policy

if TYPE_CHECKING:
    from stackplan.device_catalog import DeviceFacts
    from stackplan.profile_schema import DeviceSchema, HostSchema, PolicySchema, ProfileFile, ReservationSchema

_LONGEST_NAME = 120
_HINT = "correct that line; docs/detect.md shows the shape of a profile"


@dataclass(frozen=True, slots=True)
class Profile:
    """A host, the name of the stack that it serves, and the policy that weighs wishes."""

    id: str
    host: Host
    stack: str
    policy: Policy
    title: str = ""
    source: str = ""


def load_profile(name: str, *, ram_bytes: int | None = None, folder: Path | None = None) -> Profile:
    """The profile called ``name``: a YAML file, a profile of the folders, or devices like ``2x rtx-3090``.

    ``ram_bytes`` replaces the host memory that the profile declares. Raises UserError for an unknown name, with the
    nearest ones, and for a malformed file, with file, line and field.
    """
    if ram_bytes is not None and ram_bytes <= 0:
        raise UserError("host memory must be greater than 0", hint="write it like --ram 64GiB", slug="bad-size")
    if name.endswith((".yaml", ".yml")):
        return read_profile(Path(name), ram_bytes=ram_bytes)
    path = profile_files(folder).get(name)
    if path is not None:
        return read_profile(path, ram_bytes=ram_bytes)
    from stackplan.device_profile import device_profile_host  # noqa: PLC0415  (reads the hardware catalog)

    host = device_profile_host(name[:_LONGEST_NAME], ram_bytes=ram_bytes)
    if host is None:
        raise _unknown(name[:_LONGEST_NAME], folder)
    return Profile(host.id, host, "everyday", Policy(), title=host.name, source="hardware catalog")


def require_stack(profile: Profile, folder: Path | None = None) -> None:
    """Raise UserError when no folder holds the stack that ``profile`` names."""
    places = [place / "stacks" for place in search_folders("profiles", folder)]
    known = sorted({path.stem for place in places for path in place.glob("*.yaml")})
    if profile.stack not in known:
        raise UserError(
            f"{profile.source}: stack {profile.stack!r} is not known",
            hint=f"choose one of {', '.join(known) or 'your own profiles/stacks/*.yaml'}",
            slug="unknown-stack",
        )


def save_profile(name: str, host: Host, *, stack: str = "everyday", replace: bool = False) -> Path:
    """Write ``host`` as the profile ``name`` into the user's own folder and return its path.

    Raises UserError for a name that is no file name, and for one that exists unless ``replace``.
    """
    import yaml  # noqa: PLC0415

    from stackplan.host_json import host_to_json  # noqa: PLC0415

    if re.fullmatch(r"[a-z0-9][a-z0-9._\-]{0,63}", name) is None:
        hint = "use small letters, digits, '-', '.' and '_', like my-server"
        raise UserError(f"{name[:80]!r} cannot name a profile", hint=hint, slug="bad-name")
    path = config_folder() / "profiles" / f"{name}.yaml"
    if path.exists() and not replace:
        raise UserError(f"{path} exists", hint="choose another name, or add --force", slug="profile-exists")
    content = {"schema": 1, "title": host.name, "recorded": host_to_json(host), "stack": stack}
    draft = path.with_suffix(".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        hint = "set STACKPLAN_CONFIG to a folder that you may write"
        raise UserError(f"{path}: {error.strerror}", hint=hint, slug="unwritable-file") from error
    return path


def profile_files(folder: Path | None = None) -> dict[str, Path]:
    """Profile files by name; the user's own folders win over the bundled one."""
    found: dict[str, Path] = {}
    for place in search_folders("profiles", folder):
        for path in sorted(place.glob("*.yaml")):
            found.setdefault(path.stem, path)
    return dict(sorted(found.items()))


def read_profile(path: Path, *, ram_bytes: int | None = None) -> Profile:
    """The profile in ``path``. Raises UserError with file, line and field of the first mistake."""
    from stackplan.profile_schema import ProfileFile  # noqa: PLC0415  (pydantic)
    from stackplan.strict_yaml import read_yaml  # noqa: PLC0415
    from stackplan.yaml_schema import checked  # noqa: PLC0415

    document = read_yaml(path)
    file = checked(document, ProfileFile, _HINT)
    if (file.host is None) == (file.recorded is None):
        raise document.error((), "give either host or recorded", hint=_HINT)
    try:
        host = _host(path.stem, file, ram_bytes)
    except _UnknownDeviceError as error:
        raise document.error(("host", "devices", error.index, "device"), error.problem, hint=error.hint) from None
    return Profile(path.stem, host, file.stack, _policy(file.policy), title=file.title, source=str(path))


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
        return dataclass_replace(host_from_json(file.recorded), id=profile_id)
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


def _policy(spec: "PolicySchema") -> Policy:
    given = {key: value for key, value in spec.model_dump().items() if value is not None}
    renamed = {"headroom": "headroom_bytes", "vram_override": "vram_override_bytes"}
    values: dict[str, Any] = {
        renamed.get(key, key): tuple(value) if isinstance(value, list) else value for key, value in given.items()
    }
    return Policy(**values)


def _unknown(name: str, folder: Path | None) -> UserError:
    from stackplan.device_catalog_yaml import load_device_catalog  # noqa: PLC0415

    known = [*profile_files(folder), *(facts.id for facts in load_device_catalog().devices)]
    near = list(dict.fromkeys(get_close_matches(name, known, n=5, cutoff=0.4)))
    hint = f"did you mean {', '.join(near)}?" if near else "see `stackplan profiles list`"
    return UserError(f"no profile or device is called {name!r}", hint=hint, slug="unknown-profile")
