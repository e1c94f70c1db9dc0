"""What was seen of a running stack: plain values, None where nobody told.

Sizes are bytes, contexts are tokens of one slot. Nothing here says whether it is right; `compare` does.
"""

from dataclasses import dataclass
from enum import StrEnum


class Heard(StrEnum):
    """What became of asking somebody."""

    ANSWERED = "answered"
    SILENT = "silent"
    STRANGE = "strange"
    NOT_ASKED = "not asked"


@dataclass(frozen=True, slots=True)
class ModelSeen:
    """One instance as its server tells it.

    ``weights_bytes`` are the tensors as loaded, ``total_bytes`` everything it says to hold and ``device_bytes`` the
    part of it on GPUs. ``cache_tokens`` is how many tokens its whole KV cache takes. ``pinned`` says that no idle time
    ends it. ``marker`` is a word of the command line of the process that runs it. ``problem`` is what keeps it from
    ever being served as planned.
    """

    instance: str
    loaded: bool | None = None
    state: str = ""
    problem: str = ""
    context_tokens: int | None = None
    slots: int | None = None
    weights_bytes: int | None = None
    total_bytes: int | None = None
    device_bytes: int | None = None
    vector_dimensions: int | None = None
    cache_tokens: int | None = None
    pinned: bool | None = None
    marker: str = ""


@dataclass(frozen=True, slots=True)
class ServerSeen:
    """One server: whether it answers, and its models."""

    server: str
    heard: Heard
    problem: str = ""
    models: tuple[ModelSeen, ...] = ()

    def model(self, instance: str) -> ModelSeen | None:
        """What it said of the instance."""
        return next((model for model in self.models if model.instance == instance), None)


@dataclass(frozen=True, slots=True)
class DeviceBytes:
    """What processes hold on one device of the plan; None where the driver does not tell."""

    device: str
    bytes: int | None


@dataclass(frozen=True, slots=True)
class HostBytes:
    """Host memory of processes, by kind.

    ``allocated_bytes`` is private and writable, touched or not, ``untouched_bytes`` the part of it that nothing was
    written to yet, ``mapped_bytes`` are files shared with the page cache (weights), ``program_bytes`` the resident part
    of programs and libraries, ``resident_bytes`` everything that is in memory now (RSS).
    """

    allocated_bytes: int
    mapped_bytes: int
    program_bytes: int
    resident_bytes: int
    untouched_bytes: int = 0


@dataclass(frozen=True, slots=True)
class LoadedFile:
    """A model file that a process has loaded: its architecture ("" where the file does not say) and its tensors."""

    architecture: str
    tensors: int


@dataclass(frozen=True, slots=True)
class MemorySeen:
    """The processes of one instance and what they hold; ``problem`` says why something is None.

    ``sleeps`` says that their command line asks for unloading when idle, None where nobody can tell. ``files`` are the
    model files that they have loaded, as far as those can be read.
    """

    instance: str
    processes: tuple[int, ...] = ()
    sleeps: bool | None = None
    host: HostBytes | None = None
    devices: tuple[DeviceBytes, ...] | None = None
    problem: str = ""
    files: tuple[LoadedFile, ...] = ()


@dataclass(frozen=True, slots=True)
class AnswerSeen:
    """What became of a real request to a role. ``again`` marks the one after others had been loaded.

    ``doubt`` is what looks wrong and may be the model's own doing. ``answered_by`` is who the gateway says did it.
    """

    role: str
    gateway: bool
    heard: Heard
    problem: str = ""
    doubt: str = ""
    dimensions: int | None = None
    answered_by: str = ""
    again: bool = False


@dataclass(frozen=True, slots=True)
class GatewaySeen:
    """The gateway; ``roles`` are those that it offers, None where that needs a key that is not here."""

    heard: Heard
    problem: str = ""
    roles: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Observations:
    """Everything that was seen; ``again`` is what servers said after the exercise."""

    servers: tuple[ServerSeen, ...] = ()
    memory: tuple[MemorySeen, ...] = ()
    answers: tuple[AnswerSeen, ...] = ()
    gateway: GatewaySeen | None = None
    again: tuple[ServerSeen, ...] = ()

    def server(self, server: str) -> ServerSeen | None:
        """What was seen of the server."""
        return next((one for one in self.servers if one.server == server), None)

    def held(self, instance: str) -> MemorySeen | None:
        """What was seen of the instance's processes."""
        return next((one for one in self.memory if one.instance == instance), None)
