"""From a choice to a plan: exact estimates for the slots that came out, budgets, utilities, proof.

The solver counts slots along a line; the plan is made of exact estimates, and is checked against the budgets once more.
"""

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import Any

from stackplan.assess import HostAssessor
from stackplan.catalog import Catalog, Engine, Model
from stackplan.choose import Chosen
from stackplan.configuration import Configuration
from stackplan.deployed import Deployed, planned_artifacts, used_bytes
from stackplan.eligibility import Refusal
from stackplan.hardware import Host
from stackplan.needs import RoleNeed
from stackplan.options import swap_group
from stackplan.plan import (
    SCHEMA,
    CatalogStamp,
    Instance,
    ObjectiveLevel,
    Plan,
    PlannedEngine,
    PlannedHost,
    PoolBudget,
    Proof,
    ServedRole,
    Unserved,
)
from stackplan.problem import Choice, Problem
from stackplan.rating import Rating
from stackplan.saving import with_saved_prompts
from stackplan.serving import Unestimable
from stackplan.solve.simplex import SOLVER

ESTIMATOR = "stackplan 1 (llama.cpp b11434)"
_TIER_ORDER = {"hot": 0, "warm": 1, "cold": 2}
_COMMONEST = 3


@dataclass(frozen=True, slots=True)
class Frame:
    """What a plan is made within: names, catalog, needs and what was refused on the way."""

    profile: str
    stack: str
    policy: str
    gateway_port: int
    catalog: Catalog
    needs: tuple[RoleNeed, ...]
    refusals: tuple[Refusal, ...]


def assemble(chosen: Chosen, choice: Choice, frame: Frame, assessor: HostAssessor, rating: Rating) -> Plan:
    """The plan of a choice. Raises RuntimeError when exact estimates break a budget, which is a bug."""
    chosen_ones = _deployed(chosen, choice, frame, assessor)
    deployed = with_saved_prompts(
        chosen_ones, assessor, chosen.problem, frame.catalog, rating.policy.prompt_cache_bytes
    )
    ids = _instance_ids(deployed)
    instances = tuple(_instance(one, ids[one.name], assessor) for one in deployed)
    host = _planned_host(assessor.host, deployed, assessor, chosen.problem)
    return Plan(
        schema=SCHEMA,
        profile=frame.profile,
        stack=frame.stack,
        policy=frame.policy,
        estimator=ESTIMATOR,
        catalog=CatalogStamp(frame.catalog.date, frame.catalog.digest),
        host=host,
        engines=_engines(deployed, frame.catalog),
        artifacts=planned_artifacts(deployed, frame.catalog),
        instances=instances,
        roles=tuple(_roles(deployed, ids, frame, rating)),
        unserved=tuple(_unserved(frame, choice)),
        objective=_objective(choice),
        proof=_proof(chosen, choice, frame),
        gateway_port=frame.gateway_port,
        notes=assessor.host.notes,
    )


def _deployed(chosen: Chosen, choice: Choice, frame: Frame, assessor: HostAssessor) -> list[Deployed]:
    by_candidate: dict[str, list[RoleNeed]] = {}
    for need in frame.needs:
        if need.id in choice.assignment:
            by_candidate.setdefault(choice.assignment[need.id], []).append(need)
    found = []
    for name, needs in by_candidate.items():
        deployable = chosen.deployables[name]
        estimate = assessor.estimate(deployable.configuration, sum(need.slots for need in needs))
        if isinstance(estimate, Unestimable):
            raise RuntimeError(f"{name} was offered but cannot be estimated: {estimate.detail}")
        found.append(Deployed(name, deployable, tuple(needs), estimate, estimate.total_bytes))
    return sorted(found, key=lambda one: (_TIER_ORDER[one.deployable.tier], frame.needs.index(one.needs[0])))


def _instance_ids(deployed: list[Deployed]) -> dict[str, str]:
    times = Counter(one.configuration.model.id for one in deployed)
    return {
        one.name: one.configuration.model.id
        if times[one.configuration.model.id] == 1
        else f"{one.configuration.model.id}-{one.configuration.mode.replace('_', '-')}"
        for one in deployed
    }


def _instance(one: Deployed, instance_id: str, assessor: HostAssessor) -> Instance:
    configuration, tier = one.configuration, one.deployable.tier
    serving = configuration.serving(one.slots)
    return Instance(
        id=instance_id,
        model=configuration.model.id,
        artifact=configuration.artifact.id,
        engine=configuration.engine,
        context_tokens=configuration.context_tokens,
        total_context_tokens=serving.context_tokens,
        kv_type=configuration.kv_type,
        slots=one.slots,
        tier=tier,
        swap_group=swap_group(configuration.engine, configuration.placement) if tier == "warm" else "",
        placement=configuration.placement,
        port=one.needs[0].port,
        mode=configuration.mode,
        demand=one.demands(assessor),
        disk_bytes=configuration.disk_bytes,
        speed=one.deployable.speed,
        basis=one.estimate.basis,
        micro_batch_tokens=serving.micro_batch_tokens,
        flash_attention=serving.flash_attention,
        pooling={"rerank": "rank", "embedding": configuration.model.pooling}.get(configuration.mode, ""),
        vision=configuration.vision,
        **_told(configuration),
    )


def _told(configuration: Configuration) -> dict[str, Any]:
    """What of the configuration only some instances have: who proposes tokens, what is saved of prompts."""
    saved = configuration.saved
    kept = {"cache_ram_bytes": saved.cache_ram_bytes, "context_checkpoints": saved.checkpoints}
    if configuration.ahead is None:
        return kept
    acceleration = configuration.ahead.acceleration
    return kept | {
        "acceleration": acceleration,
        "draft_artifact": acceleration.draft_artifact,
        "draft_tokens": acceleration.draft_tokens,
        "prediction_head": configuration.ahead.draft is None,
    }


def _planned_host(host: Host, deployed: list[Deployed], assessor: HostAssessor, problem: Problem) -> PlannedHost:
    pools = []
    for pool in host.pools:
        used = used_bytes(deployed, assessor, problem, pool.id)
        if used > pool.budget_bytes:
            raise RuntimeError(f"the plan takes {used} bytes of {pool.id}, whose budget is {pool.budget_bytes}")
        pools.append(
            PoolBudget(pool.id, pool.kind, pool.capacity_bytes, pool.reserved, pool.budget_bytes, used_bytes=used)
        )
    return PlannedHost(host.id, host.name, fingerprint(host), host, tuple(pools))


def fingerprint(host: Host) -> str:
    """A short digest of what a plan rests on: devices, pools and capacities, not what happens to be free now."""
    facts = [(device.name, device.backend, device.pool) for device in host.devices]
    sizes = [(pool.id, pool.kind, pool.capacity_bytes) for pool in host.pools]
    return hashlib.sha256(repr((facts, sizes)).encode()).hexdigest()[:16]


def _engines(deployed: list[Deployed], catalog: Catalog) -> tuple[PlannedEngine, ...]:
    used = sorted({one.configuration.engine for one in deployed})
    return tuple(_engine(catalog.engine(name)) for name in used)


def _engine(engine: Engine) -> PlannedEngine:
    return PlannedEngine(engine.id, engine.title, engine.version, engine.container_port, dict(engine.images))


def _roles(deployed: list[Deployed], ids: dict[str, str], frame: Frame, rating: Rating) -> list[ServedRole]:
    serving = {need.id: one for one in deployed for need in one.needs}
    return [_role(need, serving[need.id], ids, rating) for need in frame.needs if need.id in serving]


def _role(need: RoleNeed, one: Deployed, ids: dict[str, str], rating: Rating) -> ServedRole:
    tier, speed = one.deployable.tier, one.deployable.speed
    return ServedRole(
        role=need.id,
        instance=ids[one.name],
        required=need.required,
        priority=float(need.priority),
        context_tokens=one.configuration.context_tokens,
        slots=need.slots,
        mode=need.role.mode,
        thinking=_thinking(need, one.configuration.model),
        utility=rating.utility(need, one.configuration, speed, tier, one.judged_bytes),
        pool=need.pool,
        inputs=need.role.inputs,
    )


def _thinking(need: RoleNeed, model: Model) -> str:
    """What the request profile says: "off" or "on" where the model can be told, else what the model does."""
    if model.thinking == "switchable":
        return "off" if need.role.thinking == "never" else "on"
    return model.thinking


def _unserved(frame: Frame, choice: Choice) -> list[Unserved]:
    return [_because(need, frame.refusals) for need in frame.needs if need.id not in choice.assignment]


def _because(need: RoleNeed, refusals: tuple[Refusal, ...]) -> Unserved:
    """The commonest refusals of an unserved need, or that its options lost to other roles."""
    told = Counter(refusal.reason for refusal in refusals if refusal.need == need.id)
    told.pop("unsuited", None)
    detail = ", ".join(f"{count} {reason}" for reason, count in sorted(told.items(), key=_by_count)[:_COMMONEST])
    return Unserved(need.id, "outweighed" if not detail else "refused", detail)


def _by_count(pair: tuple[str, int]) -> tuple[int, str]:
    return (-pair[1], pair[0])


def _objective(choice: Choice) -> tuple[ObjectiveLevel, ...]:
    return (
        ObjectiveLevel("utility x priority", choice.value / 1000),
        ObjectiveLevel("memory bytes", float(choice.memory_bytes)),
        ObjectiveLevel("disk bytes", float(choice.disk_bytes)),
    )


def _proof(chosen: Chosen, choice: Choice, frame: Frame) -> Proof:
    return Proof(
        status=choice.status,
        bound=choice.bound / 1000,
        gap=choice.gap,
        options_offered=chosen.offered,
        options_refused=len(frame.refusals),
        ways_passed_over=chosen.passed_over,
        solver=SOLVER,
    )
