"""Target ``plan``: the plan itself, from which every other file can be written again."""

from stackplan.plan import Plan, plan_to_json


def render(plan: Plan) -> dict[str, str]:
    """``plan.json``."""
    return {"plan.json": plan_to_json(plan)}
