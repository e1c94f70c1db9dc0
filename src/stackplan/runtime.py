"""What a profile says about how engines run on its machine; whatever is None stays the planner's own choice."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Runtime:
    """Runtime defaults of a machine.

    ``threads`` generate and ``batch_threads`` read prompts (default: physical cores). ``numa`` is llama.cpp's policy
    (distribute, isolate, numactl) or "off". ``lock_memory`` keeps weights from being paged out, ``map_files`` False
    reads them instead of mapping. ``context_limit_tokens`` caps what any role gets per request.
    """

    threads: int | None = None
    batch_threads: int | None = None
    numa: str | None = None
    lock_memory: bool = False
    map_files: bool = True
    context_limit_tokens: int | None = None
