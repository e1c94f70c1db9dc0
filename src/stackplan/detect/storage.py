"""Where weights would be stored: space and kind of the mounted file systems."""

from dataclasses import dataclass

from stackplan.detect.world import World
from stackplan.hardware import Disk

_NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "ceph", "glusterfs", "lustre", "virtiofs"})
_MEMORY = frozenset({"tmpfs", "ramfs"})
_LOCAL = frozenset(
    {"ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "overlay", "apfs", "ntfs", "ntfs3", "bcachefs"}
)

# Disks of virtual machines call themselves rotating whatever they lie on.
_VIRTUAL = ("/dev/vd", "/dev/xvd")


@dataclass(frozen=True, slots=True)
class _Mount:
    point: str
    device_number: str
    file_system: str
    source: str


def storage(world: World) -> tuple[Disk, ...]:
    """Every mounted file system that could hold weights; the one that would is first."""
    chosen = world.storage_mount()
    mounts = {mount.point: mount for mount in _mounts(world)}
    points = [chosen, *sorted(point for point in mounts if point != chosen and _holds_files(mounts[point]))]
    found, seen = [], set()
    for point in points:
        mount = mounts.get(point)
        usage = world.disk(point)
        identity = mount.device_number if mount else point
        if usage is None or identity in seen:
            continue
        seen.add(identity)
        found.append(Disk(point, usage.capacity_bytes, usage.free_bytes, _kind(world, mount)))
    return tuple(found)


def _mounts(world: World) -> list[_Mount]:
    found = []
    for line in (world.read_text("/proc/self/mountinfo") or "").splitlines():
        left, _, right = line.partition(" - ")
        fields, rest = left.split(), right.split()
        if len(fields) >= 5 and len(rest) >= 2:
            point = fields[4].replace("\\040", " ")
            found.append(_Mount(point, fields[2], rest[0], rest[1]))
    return found


def _holds_files(mount: _Mount) -> bool:
    return mount.file_system in _LOCAL | _NETWORK and not mount.point.startswith(("/proc", "/sys", "/etc/", "/snap/"))


def _kind(world: World, mount: _Mount | None) -> str:
    """nvme, ssd, hdd, virtual, network, memory, or unknown."""
    if mount is None:
        return "unknown"
    if mount.file_system in _NETWORK:
        return "network"
    if mount.file_system in _MEMORY:
        return "memory"
    if mount.source.startswith("/dev/nvme"):
        return "nvme"
    if mount.source.startswith(_VIRTUAL):
        return "virtual"
    folder = f"/sys/dev/block/{mount.device_number}"
    for place in (f"{folder}/queue/rotational", f"{folder}/../queue/rotational"):
        spins = world.read_text(place)
        if spins is not None:
            return "hdd" if spins.strip() == "1" else "ssd"
    return "unknown"
