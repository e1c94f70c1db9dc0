"""This machine, or a recording of one, as a `Host`."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stackplan.hardware import Host


def detect_host(folder: Path | None = None) -> "Host":
    """The machine that stackplan runs on; ``folder`` is where weights would be stored.

    Raises UserError when not even the size of its memory can be told. Uses no network.
    """
    from stackplan.detect.assemble import host_of  # noqa: PLC0415
    from stackplan.detect.live import LiveWorld  # noqa: PLC0415

    return host_of(LiveWorld(folder))
