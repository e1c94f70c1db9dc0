"""Why no choice exists: a minimal set of named constraints that cannot hold together.

A deletion filter over groups of constraints in the user's words: each required need, each pool, the disk. HiGHS's own
irreducible infeasible subsystem does not serve programmes with binaries (measured: empty for an infeasible one).
"""

import time

from stackplan.problem import Need, Problem
from stackplan.solve.exact import Exact, Termination
from stackplan.solve.index import indexed
from stackplan.values import replace

_SECONDS = 5.0


def minimal_conflict(problem: Problem) -> tuple[str, ...]:
    """Names of constraints of which none can be left out without a choice becoming possible."""
    kept = [f"need {need.id}" for need in problem.needs if need.required]
    kept += [f"pool {pool}" for pool in problem.pools]
    kept += ["disk"] if problem.disk_bytes is not None else []
    kept += [f"distinct {'+'.join(group)}" for group in problem.distinct]
    for name in list(kept):
        without = [other for other in kept if other != name]
        if not is_feasible(relaxed(problem, without)):
            kept = without
    return tuple(kept)


def relaxed(problem: Problem, names: list[str]) -> Problem:
    """The problem with only the named constraints in force."""
    force = set(names)
    needs = tuple(Need(need.id, need.required and f"need {need.id}" in force) for need in problem.needs)
    limitless = 1 << 62
    pools = {pool: budget if f"pool {pool}" in force else limitless for pool, budget in problem.pools.items()}
    return replace(
        problem,
        needs=needs,
        pools=pools,
        disk_bytes=problem.disk_bytes if "disk" in force else None,
        distinct=tuple(group for group in problem.distinct if f"distinct {'+'.join(group)}" in force),
    )


def is_feasible(problem: Problem) -> bool:
    """Whether some assignment serves every required need; time running out counts as feasible (never a false no)."""
    required = {need.id for need in problem.needs if need.required}
    if required - {offer.need for offer in problem.offers}:
        return False
    exact = Exact(indexed(problem), False, time.monotonic() + _SECONDS, time.monotonic)
    return exact.minimum({}).termination is not Termination.INFEASIBLE
