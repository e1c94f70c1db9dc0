"""What was measured on this machine, for every verb that plans; imports next to nothing while there is nothing."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stackplan.calibration_store import Store
    from stackplan.measurement import Measurement

_FILE = "measurements.sqlite3"


def store() -> "Store":
    """The measurements of this user."""
    from stackplan.calibration_store import Store  # noqa: PLC0415

    return Store(store_path())


def store_path() -> Path:
    """Where they are kept, once there are any."""
    from stackplan.running.site import state_folder  # noqa: PLC0415

    return state_folder() / _FILE


def kept_measurements() -> "tuple[Measurement, ...]":
    """What planning may rest on; without a file nothing is imported for it."""
    return tuple(one.measurement for one in store().all()) if store_path().exists() else ()
