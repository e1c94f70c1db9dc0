"""The machine at hand, or a recording of one, as a `Host`."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from stackplan.detect.world import World
    from stackplan.hardware import Cpu, Host


def detect_host(folder: Path | None = None) -> "Host":
    """The machine that stackplan runs on; ``folder`` is where weights would be stored.

    Raises UserError when not even the size of its memory can be told. Uses no network.
    """
    from stackplan.detect.live import LiveWorld  # noqa: PLC0415

    return read_world(LiveWorld(folder), kept=_kept)


def _kept(cpu: "Cpu") -> int | None:
    from stackplan.detect.bandwidth import kept_bandwidth, machine_mark  # noqa: PLC0415

    return kept_bandwidth(machine_mark(cpu))


def replay_host(probe: Path) -> "Host":
    """The machine of a recording. Raises UserError when ``probe`` is not a sound recording."""
    from stackplan.detect.replay import read_probe  # noqa: PLC0415

    return read_world(read_probe(probe), origin="replayed")


def record_host() -> "tuple[Host, bytes]":
    """The machine at hand and the recording of everything that was read, as bytes of a tar.gz."""
    from stackplan.detect.live import LiveWorld, private_words  # noqa: PLC0415
    from stackplan.detect.recording import RecordingWorld  # noqa: PLC0415
    from stackplan.detect.redact import Redactor  # noqa: PLC0415

    world = RecordingWorld(LiveWorld(), Redactor(private_words()))
    host = read_world(world)
    return host, world.archive()


def measure_and_keep_bandwidth() -> int:
    """Bytes per second that the usable threads read from memory together, kept for later runs."""
    from stackplan.detect.bandwidth import keep_bandwidth, machine_mark, measure_bandwidth  # noqa: PLC0415
    from stackplan.detect.cpu import processor  # noqa: PLC0415
    from stackplan.detect.live import LiveWorld  # noqa: PLC0415

    cpu = processor(LiveWorld())
    rate = measure_bandwidth(cpu.usable_threads)
    keep_bandwidth(machine_mark(cpu), rate)
    return rate


def _nothing(_: "Cpu") -> None:
    return None


def read_world(world: "World", *, origin: str = "detected", kept: "Callable[[Cpu], int | None]" = _nothing) -> "Host":
    """The machine that ``world`` shows, with what the hardware catalog adds and what was ``kept`` of its processor."""
    from stackplan.detect.assemble import host_of  # noqa: PLC0415
    from stackplan.device_catalog_yaml import load_device_catalog  # noqa: PLC0415

    return host_of(world, load_device_catalog, origin=origin, kept=kept)
