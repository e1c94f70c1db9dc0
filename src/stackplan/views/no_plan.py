"""Why there is no plan, as lines and as JSON: the nearest plan in brief, and changes that make one."""

from collections.abc import Iterator, Sequence
from typing import Any

from stackplan.eligibility import Refusal
from stackplan.fixes import Fix
from stackplan.plan import Plan
from stackplan.problem import NoChoice
from stackplan.reasons import nearest_misses
from stackplan.views.table import inert


def nearest_lines(plan: Plan | None) -> Iterator[str]:
    """The nearest plan in brief: who is served by what, and who is not."""
    if plan is None:
        return
    served = ", ".join(f"{inert(role.role)} by {inert(role.instance)}" for role in plan.roles)
    yield f"  nearest plan (--partial): {served}"
    yield f"  it leaves out: {', '.join(inert(each.role) for each in plan.unserved)}"


def fix_line(fix: Fix) -> str:
    """One change with the option that does it."""
    return f"  fix: {inert(fix.told)}: {inert(fix.option)}"


def no_plan_json(
    answer: NoChoice, refusals: Sequence[Refusal], nearest: Plan | None, found: Sequence[Fix]
) -> dict[str, Any]:
    """The same as plain values for ``--json``; the conflict is minimal."""
    needs = {name.removeprefix("need ") for name in answer.conflict if name.startswith("need ")}
    misses = [(need, nearest_misses([r for r in refusals if r.need == need])) for need in sorted(needs)]
    return {
        "no_plan": {
            "conflict": list(answer.conflict),
            "nearest_misses": [
                {
                    "role": need,
                    "artifact": miss.artifact,
                    "pool": miss.pool,
                    "shortfall_bytes": miss.shortfall_bytes,
                    "detail": miss.detail,
                }
                for need, own in misses
                for miss in own
            ],
            "nearest_plan": None
            if nearest is None
            else {
                "roles": {role.role: role.instance for role in nearest.roles},
                "unserved": [each.role for each in nearest.unserved],
            },
            "fixes": [
                {"change": fix.told, "option": fix.option, "pool": fix.pool or None, "bytes": fix.bytes or None}
                for fix in found
            ],
        }
    }
