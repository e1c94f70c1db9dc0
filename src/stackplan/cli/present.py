"""How a planned world is told on the terminal: the plan, or why there is none."""

import json
import os
import shutil
import sys
import time

from stackplan.cli.terminal import tell, terminal_is_ascii
from stackplan.pipeline import Planned
from stackplan.plan import Plan
from stackplan.problem import NoChoice

NO_PLAN_HINT = "lower a floor with --set, make a role optional with --set ROLE.required=false, or use --partial"


def present(planned: Planned, *, next_step: str | None = None) -> None:
    """Print the plan for people, with what it trades away."""
    from stackplan.traded import traded_away  # noqa: PLC0415
    from stackplan.views.traded import traded_text  # noqa: PLC0415

    assert planned.plan is not None  # noqa: S101
    colour, width = _terminal()
    traded = traded_text(traded_away(planned), colour=colour, width=width)
    present_plan(planned.plan, next_step=next_step, traded=traded)


def present_plan(plan: Plan, *, next_step: str | None = None, traded: str = "") -> None:
    """Print a plan for people; ``traded`` is what it trades away, as text."""
    from stackplan.views.plan import plan_text  # noqa: PLC0415

    colour, width = _terminal()
    ascii_only = terminal_is_ascii()
    tell(plan_text(plan, colour=colour, width=width, ascii_only=ascii_only, next_step=next_step, traded=traded))


def _terminal() -> tuple[bool, int]:
    """Whether stdout takes colours, and how many columns there are."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ, shutil.get_terminal_size((100, 24)).columns


def refuse(planned: Planned, *, as_json: bool) -> None:
    """Print why there is no plan, the nearest one and what would make one: on stderr, or as JSON on stdout."""
    from stackplan.fixes import fixes, nearest_plan  # noqa: PLC0415
    from stackplan.reasons import conflict_lines  # noqa: PLC0415
    from stackplan.views.no_plan import fix_line, nearest_lines, no_plan_json  # noqa: PLC0415

    answer = planned.chosen.answer
    assert isinstance(answer, NoChoice)  # noqa: S101
    for line in conflict_lines(answer.conflict, planned.frame.refusals):
        print(line, file=sys.stderr)
    nearest = nearest_plan(planned)
    for line in nearest_lines(nearest):
        print(line, file=sys.stderr)
    print("trying what would make a plan ...", file=sys.stderr)
    found = []
    for fix in fixes(planned, time.monotonic):
        found.append(fix)
        print(fix_line(fix), file=sys.stderr)
    print(f"hint: {NO_PLAN_HINT if not found else 'any one of these makes a plan; so does --partial'}", file=sys.stderr)
    if as_json:
        tell(json.dumps(no_plan_json(answer, planned.frame.refusals, nearest, found), indent=2))
