"""One comparison of plan and stack, and how it ended."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How a comparison ended. What could not be asked is UNKNOWN and never AGREES."""

    AGREES = "agrees"
    BREACH = "breach"
    UNKNOWN = "unknown"


class Check(StrEnum):
    """What was compared; stable names."""

    RESIDENT = "resident"
    DEVICE = "device"
    CONTEXT = "context"
    WEIGHTS = "weights"
    BYTES = "bytes"
    KEPT = "kept"
    ANSWER = "answer"
    GATEWAY = "gateway"


@dataclass(frozen=True, slots=True)
class Finding:
    """One comparison. ``subject`` is an instance, a role, or the gateway; ``hint`` is the next step of a breach.

    ``planned`` and ``seen`` are the figures that were compared, in bytes or tokens, where there are any.
    """

    check: Check
    subject: str
    verdict: Verdict
    message: str
    hint: str = ""
    planned: int | None = None
    seen: int | None = None


def agrees(check: Check, subject: str, message: str, planned: int | None = None, seen: int | None = None) -> Finding:
    """The plan holds."""
    return Finding(check, subject, Verdict.AGREES, message, "", planned, seen)


def unknown(check: Check, subject: str, message: str, hint: str = "") -> Finding:
    """Nobody told."""
    return Finding(check, subject, Verdict.UNKNOWN, message, hint)


def breach(
    check: Check, subject: str, message: str, hint: str, planned: int | None = None, seen: int | None = None
) -> Finding:
    """The plan does not hold."""
    return Finding(check, subject, Verdict.BREACH, message, hint, planned, seen)
