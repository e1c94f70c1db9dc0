"""Who is told how a download goes. Calls come from several threads."""

from typing import Protocol


class Progress(Protocol):
    """What a display of a download offers. ``name`` is the same for all calls about one file or model."""

    def begin(self, total_bytes: int) -> None:
        """All files together: bytes that are to be there at the end."""
        ...

    def file(self, name: str, size_bytes: int, there_bytes: int) -> None:
        """A file is begun, of which ``there_bytes`` are there."""
        ...

    def advance(self, name: str, there_bytes: int) -> None:
        """``there_bytes`` of the file are there now; less than before when it starts again."""
        ...

    def end(self, name: str, outcome: str) -> None:
        """The file is finished: "done", "present" or "failed"."""
        ...

    def note(self, text: str) -> None:
        """Something worth a line: a wait, another try."""
        ...
