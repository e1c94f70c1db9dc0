"""What detection may ask of a machine. Live, recorded and replayed worlds answer the same questions.

Every answer is plain data, so that a recording of the answers is a recording of the machine. Nothing here raises
for what a machine lacks: an absent file, program or driver is an ordinary answer.
"""

from dataclasses import dataclass
from typing import Any, Protocol

from stackplan.detect.memory_modules import MemoryModule

MAX_TEXT_BYTES = 1 << 20
"""No file or output that detection reads is longer."""

PYTHON = "python"
"""As the first word of a command: the interpreter that runs stackplan, wherever it lies."""

MOST_DEVICES = 256
"""No machine has more; what lies beyond is not read, so that no recording costs more than seconds."""

COMMAND_TIMEOUT_SECONDS = 2.0
"""What hung vendor programs may cost: the first of them so much, each further one little."""


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How a program ended: ``status`` is done, absent, timeout or failed (it could not be started)."""

    status: str
    returncode: int = 0
    stdout: str = ""

    @property
    def succeeded(self) -> bool:
        """Whether it ran to its end and said so."""
        return self.status == "done" and self.returncode == 0


ABSENT = CommandResult("absent", 127)


@dataclass(frozen=True, slots=True)
class DiskUsage:
    """Bytes of a mounted file system; free is what this user may write."""

    capacity_bytes: int
    free_bytes: int


@dataclass(frozen=True, slots=True)
class MemoryCounters:
    """Physical memory where no file tells it (Windows, macOS)."""

    total_bytes: int
    available_bytes: int
    swap_bytes: int = 0


class World(Protocol):
    """The questions."""

    @property
    def system(self) -> str:
        """``linux``, ``darwin`` or ``windows``."""

    @property
    def machine(self) -> str:
        """The instruction set's name: ``x86_64``, ``aarch64``, ``arm64``."""

    def read_text(self, path: str) -> str | None:
        """The text of a file; None when it cannot be read."""

    def list(self, path: str) -> tuple[str, ...]:
        """The sorted names in a folder; empty when it cannot be listed."""

    def run(self, command: tuple[str, ...]) -> CommandResult:
        """The output of a program, killed after `COMMAND_TIMEOUT_SECONDS`."""

    def nvml(self) -> dict[str, Any] | None:
        """The answers of NVIDIA's management library as `nvml.snapshot` writes them; None without a driver."""

    def disk(self, mount: str) -> DiskUsage | None:
        """Space on the file system mounted at ``mount``."""

    def memory(self) -> MemoryCounters | None:
        """Physical memory as the system's own call tells it; None on Linux, where files tell more."""

    def memory_modules(self) -> tuple[MemoryModule, ...]:
        """Populated memory modules as the firmware lists them; empty where only root may read that."""

    def affinity(self) -> tuple[int, ...] | None:
        """Processors that this process may run on; None where the system does not tell."""

    def environment(self, name: str) -> str | None:
        """An environment variable; only names in `ENVIRONMENT_NAMES` are ever asked."""

    def storage_mount(self) -> str:
        """The mount point under which weights would be stored."""


ENVIRONMENT_NAMES = (
    "CUDA_VISIBLE_DEVICES",
    "NVIDIA_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "KUBERNETES_SERVICE_HOST",
    "container",
    "WSL_DISTRO_NAME",
)
