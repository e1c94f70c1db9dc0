"""Where weights would be stored: space and kind of the mounted file systems."""

import re
from dataclasses import dataclass

from stackplan.detect.world import World
from stackplan.hardware import Disk

_NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "ceph", "glusterfs", "lustre", "virtiofs"})
_MEMORY = frozenset({"tmpfs", "ramfs"})
_LOCAL = frozenset(
    {"ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "overlay", "apfs", "ntfs", "ntfs3", "bcachefs"}
)

_PARTITION = re.compile(r"(?<=\d)p\d+$|(?<=[a-z])\d+$")
FILE_SYSTEMS = _NETWORK | _MEMORY | _LOCAL
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
    for kind, known in (
        ("network", mount.file_system in _NETWORK),
        ("memory", mount.file_system in _MEMORY),
        ("nvme", mount.source.startswith("/dev/nvme")),
        ("virtual", mount.source.startswith(_VIRTUAL)),
    ):
        if known:
            return kind
    return _rotation(world, mount)


def _rotation(world: World, mount: _Mount) -> str:
    """Rotating or not, as the kernel says of the disk, or of the disk that the partition is on (sda1, mmcblk0p1)."""
    disk = _PARTITION.sub("", mount.source.rsplit("/", 1)[-1])
    for place in (f"/sys/dev/block/{mount.device_number}", f"/sys/block/{disk}"):
        spins = world.read_text(f"{place}/queue/rotational")
        if spins is not None:
            return "hdd" if spins.strip() == "1" else "ssd"
    return "unknown"
