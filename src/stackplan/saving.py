"""What is left of host memory after a choice is lent to saved prompts: caches of idle slots, and copies of state.

llama-server saves prompts in host memory without being asked, 8 GiB and 32 copies per slot at most; a plan must bound
that. Saved prompts make nothing fit and nothing better that could be compared, so they get what the choice left, one
instance after another in the order of the plan: copies of state and windows first, without which a model that forgets
reads every prompt anew; then caches, never more than its slots can fill. Each takes half of what is left at most: the
rest stays for the files that the system maps.
"""

from collections.abc import Sequence

from stackplan.assess import HostAssessor
from stackplan.catalog import Catalog, Engine
from stackplan.configuration import Saved
from stackplan.deployed import Deployed, used_bytes
from stackplan.problem import Problem
from stackplan.serving import Estimate, Unestimable
from stackplan.units import MIB
from stackplan.values import replace

_LENT_SHARE = 2  # an instance gets one part in so many of what is left
_LEAST_BYTES = 64 * MIB  # of a cache that is worth having: a prompt of a few thousand tokens of a small model


def with_saved_prompts(
    deployed: Sequence[Deployed], assessor: HostAssessor, problem: Problem, catalog: Catalog, most_bytes: int | None
) -> list[Deployed]:
    """The same instances, each with what it may save; host memory stays within its budget.

    ``most_bytes`` is the policy's limit of each cache, None for the engine's own.
    """
    pool = assessor.host.host_pool
    found = list(deployed)
    for place, one in enumerate(found):
        left = pool.budget_bytes - used_bytes(found, assessor, problem, pool.id)
        engine = _limited(catalog.engine(one.configuration.engine), most_bytes)
        if one.configuration.mode == "chat" and left > 0:
            found[place] = _saving(one, engine, left // _LENT_SHARE, assessor)
    return found


def _limited(engine: Engine, most_bytes: int | None) -> Engine:
    if most_bytes is None:
        return engine
    return replace(engine, prompt_cache_bytes=min(engine.prompt_cache_bytes, most_bytes))


def _saving(one: Deployed, engine: Engine, lent_bytes: int, assessor: HostAssessor) -> Deployed:
    copies = _copies(one, engine, lent_bytes, assessor)
    copied = _host_overhead(_estimate(one, Saved(0, copies), assessor)) - _host_overhead(one.estimate)
    most = sum(demand.kv_bytes + demand.state_bytes for demand in one.estimate.demands)
    cache = min(engine.prompt_cache_bytes, most, lent_bytes - copied) // MIB * MIB
    saved = Saved(cache if cache >= _LEAST_BYTES else 0, copies)
    deployable = replace(one.deployable, configuration=replace(one.configuration, saved=saved))
    return replace(one, deployable=deployable, estimate=_estimate(one, saved, assessor))


def _copies(one: Deployed, engine: Engine, lent_bytes: int, assessor: HostAssessor) -> int:
    """Copies of state and windows per slot; 0 for a model that needs none."""
    each = _host_overhead(_estimate(one, Saved(0, 1), assessor)) - _host_overhead(one.estimate)
    return min(engine.context_checkpoints, lent_bytes // each) if each > 0 else 0


def _estimate(one: Deployed, saved: Saved, assessor: HostAssessor) -> Estimate:
    found = assessor.estimate(replace(one.configuration, saved=saved), one.slots)
    if isinstance(found, Unestimable):
        raise RuntimeError(f"{one.name} was estimated but cannot be with saved prompts: {found.detail}")
    return found


def _host_overhead(estimate: Estimate) -> int:
    return sum(demand.overhead_bytes for demand in estimate.demands)
