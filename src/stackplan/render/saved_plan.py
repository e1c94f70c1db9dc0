"""A saved plan read back: whatever the file holds, the answer is a plan or one line that names the fix."""

from pathlib import Path

from stackplan.errors import UserError
from stackplan.plan import SCHEMA, Plan, plan_from_json

_LARGEST_BYTES = 64 * 1024**2


def read_plan(path: Path) -> Plan:
    """The plan in ``path``. Raises `UserError` when there is none, or none of this version."""
    from pydantic import ValidationError  # noqa: PLC0415  (the CLI start does not need it)

    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise _unreadable(path, "it is larger than any plan")
        plan = plan_from_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(
            f"there is no plan at {path}", hint="run `stackplan apply`, or name one with --plan", slug="no-plan-file"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, str(error)) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise _unreadable(path, f"{place}: {first['msg']}") from error
    if plan.schema != SCHEMA:
        raise _unreadable(path, f"its schema is {plan.schema}, this version reads {SCHEMA}")
    return plan


def _unreadable(path: Path, reason: str) -> UserError:
    line = " ".join(reason.split())[:200]
    return UserError(
        f"{path} is not a saved plan: {line}", hint="write it again: stackplan apply", slug="plan-unreadable"
    )
