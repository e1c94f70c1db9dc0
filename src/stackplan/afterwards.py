"""What makes a chosen instance faster and costs next to nothing: prompt lookup, and fewer experts where asked.

Neither is part of the choice. Prompt lookup (llama.cpp's n-gram speculation) proposes what followed the same words
earlier in the context; every proposal is verified, so answers stay the same, and only the rows of logits that are
verified at once take memory. It is switched on where every role of the instance allows it and its bytes are still free.
Fewer experts change the answers, so somebody has to ask for them.
"""

from collections.abc import Mapping

from stackplan.assess import HostAssessor
from stackplan.configuration import Configuration
from stackplan.estimate.engines import estimate_serving
from stackplan.needs import RoleNeed
from stackplan.plan import Instance, Plan, PlannedDemand, PoolBudget
from stackplan.serving import Estimate
from stackplan.values import replace

# Tokens proposed at once, after as many in common as `render.llama_options` asks for. With llama.cpp's own 12 in common
# and 48 proposed (b11434) it hardly ever proposes, and every row costs a vocabulary of logits per slot. Public reports
# of 4 and 12, and of 3 and 8 (2026-07, 2026-10): even on prose, 1.1 to 2.6 times as fast in completing code.
LOOKUP_TOKENS = 12
_ENGINE = "llama.cpp"
# A recurrent state has to be restored when proposals are rejected; see the role ``ingest`` of catalog/roles.yaml.
_CLASSES = ("dense", "mixture-of-experts")


def sped_up(
    plan: Plan, needs: tuple[RoleNeed, ...], configurations: Mapping[str, Configuration], assessor: HostAssessor
) -> Plan:
    """``plan`` with its instances sped up as roles allow. ``configurations`` are by instance."""
    by_role = {need.id: need for need in needs}
    for instance in plan.instances:
        served = [by_role[role.role] for role in plan.roles_of(instance.id)]
        configuration = configurations[instance.id]
        if may_look_up(instance, configuration, served):
            plan = _with_lookup(plan, instance, configuration, assessor)
        plan = _with_fewer_experts(plan, plan.instance(instance.id), configuration, served)
    return plan


def may_look_up(instance: Instance, configuration: Configuration, served: list[RoleNeed]) -> bool:
    """Whether prompt lookup may serve the instance: a HOT text model without another draft, and no role objects."""
    drafted = bool(instance.draft_artifact or instance.prediction_head)
    plain = instance.engine == _ENGINE and instance.mode == "chat" and instance.tier == "hot" and not instance.vision
    shape = configuration.model.architecture_class in _CLASSES
    return plain and shape and not drafted and all(need.role.prompt_lookup for need in served)


def _with_lookup(plan: Plan, instance: Instance, configuration: Configuration, assessor: HostAssessor) -> Plan:
    extra = _extra(instance, configuration, assessor)
    free = {pool.id: pool.budget_bytes - pool.used_bytes for pool in plan.host.pools}
    if extra is None or any(sum(added) > free[pool] for pool, added in extra.items()):
        return plan
    changed = replace(
        instance, lookup_tokens=LOOKUP_TOKENS, demand=tuple(_grown(demand, extra) for demand in instance.demand)
    )
    pools = tuple(_fuller(pool, sum(extra.get(pool.id, (0, 0)))) for pool in plan.host.pools)
    return _with_instance(replace(plan, host=replace(plan.host, pools=pools)), changed)


def _extra(
    instance: Instance, configuration: Configuration, assessor: HostAssessor
) -> dict[str, tuple[int, int]] | None:
    """Bytes that lookup adds by pool, in buffers and in outputs; None when nobody knows."""
    before, after = (_estimate(instance, configuration, assessor, drafted=drafted) for drafted in (0, LOOKUP_TOKENS))
    if before is None or after is None:
        return None
    extra: dict[str, tuple[int, int]] = {}
    for demand in after.demands:
        old, pool = before.demand(demand.place), assessor.pool_of(demand.place)
        compute, output = extra.get(pool, (0, 0))
        grown = demand.total_bytes - old.total_bytes
        rows = demand.output_bytes - old.output_bytes
        extra[pool] = (compute + grown - rows, output + rows)
    return extra


def _estimate(
    instance: Instance, configuration: Configuration, assessor: HostAssessor, *, drafted: int
) -> Estimate | None:
    found = estimate_serving(
        configuration.engine,
        configuration.model,
        configuration.artifact,
        replace(configuration.serving(instance.slots), draft_tokens=drafted),
        configuration.placement,
        assessor.host.devices,
    )
    return found if isinstance(found, Estimate) else None


def _grown(demand: PlannedDemand, extra: Mapping[str, tuple[int, int]]) -> PlannedDemand:
    compute, output = extra.get(demand.pool, (0, 0))
    return replace(
        demand,
        compute_bytes=demand.compute_bytes + compute,
        output_bytes=demand.output_bytes + output,
        total_bytes=demand.total_bytes + compute + output,
    )


def _fuller(pool: PoolBudget, added_bytes: int) -> PoolBudget:
    return replace(pool, used_bytes=pool.used_bytes + added_bytes)


def _with_fewer_experts(plan: Plan, instance: Instance, configuration: Configuration, served: list[RoleNeed]) -> Plan:
    """As many experts as the most demanding of its roles asks for; all of them when one does not ask."""
    asked = [need.request.active_experts for need in served]
    shape = configuration.model.architecture
    usual = max((layer.experts_used for layer in shape.layers), default=0) if shape else 0
    if not any(asked):
        return plan
    wanted = max(count or usual for count in asked)
    if instance.engine != _ENGINE or shape is None or not 0 < wanted < usual:
        why = "it is no mixture of experts that llama.cpp serves"
        if usual and instance.engine == _ENGINE:
            why = "a role beside does not ask for fewer" if None in asked else f"{usual} are all that answer"
        return _noted(plan, f"{instance.id} runs with all its experts: {why}")
    changed = replace(instance, active_experts=wanted, experts_key=f"{shape.name}.expert_used_count")
    note = f"{instance.id} answers with {wanted} of {usual} experts as asked; its quality was published with {usual}"
    return _noted(_with_instance(plan, changed), note)


def _with_instance(plan: Plan, changed: Instance) -> Plan:
    return replace(plan, instances=tuple(changed if one.id == changed.id else one for one in plan.instances))


def _noted(plan: Plan, note: str) -> Plan:
    return replace(plan, notes=(*plan.notes, note))
