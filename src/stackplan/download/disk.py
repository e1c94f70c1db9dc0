"""Whether everything fits on disk, before the first byte is fetched."""

import os
import shutil
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from stackplan.units import MIB

# Left free for the system and for rounding up to blocks.
MARGIN_BYTES = 64 * MIB


@dataclass(frozen=True, slots=True)
class DiskBudget:
    """What one file system is to take, and what it has."""

    folder: Path
    need_bytes: int
    free_bytes: int

    @property
    def short_bytes(self) -> int:
        """What is missing, 0 when everything fits. Nothing to fetch needs nothing."""
        return max(0, self.need_bytes + MARGIN_BYTES - self.free_bytes) if self.need_bytes else 0


def budgets(demands: Iterable[tuple[Path, int]]) -> tuple[DiskBudget, ...]:
    """Demands in bytes, added up by file system; folders need not exist yet."""
    needs: dict[int, int] = defaultdict(int)
    folders: dict[int, Path] = {}
    for folder, size in demands:
        device = device_of(folder)
        folders.setdefault(device, folder)
        needs[device] += size
    return tuple(DiskBudget(folders[device], needs[device], free_bytes(folders[device])) for device in folders)


def device_of(folder: Path) -> int:
    """The number of the file system that holds ``folder`` or will hold it."""
    return existing(folder).stat().st_dev


def free_bytes(folder: Path) -> int:
    """Bytes that this user may still write where ``folder`` is or will be; a quota is noticed only when writing."""
    return shutil.disk_usage(existing(folder)).free


def is_writable(folder: Path) -> bool:
    """Whether files can be made in ``folder``, or the folder itself if it is not there yet."""
    nearest = existing(folder)
    return nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)


def existing(folder: Path) -> Path:
    """``folder`` or the nearest folder above it that is there."""
    return next(place for place in (folder, *folder.parents) if place.exists())
