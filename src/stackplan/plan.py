"""The plan: the chosen instances, the budgets, the proof. Frozen, serialisable, the same bytes for the same inputs.

Renderers, download, verify and explain read this and nothing else: whatever they need of catalog or host is copied
in here. Sizes are bytes; no time of day, no path of the planning machine and no secret is ever part of a plan.
"""

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any

from stackplan.hardware import Basis, Host, Reservation
from stackplan.remote import Fallback
from stackplan.runtime import Runtime
from stackplan.serving import Acceleration, Placement, SpeedEstimate

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class PoolBudget:
    """One memory pool: what it holds, what is kept back, what models may take and do take."""

    id: str
    kind: str
    capacity_bytes: int
    reserved: tuple[Reservation, ...]
    budget_bytes: int
    used_bytes: int


@dataclass(frozen=True, slots=True)
class PlannedHost:
    """The machine as the plan saw it. ``fingerprint`` changes when devices, pools or capacities change."""

    id: str
    name: str
    fingerprint: str
    machine: Host
    pools: tuple[PoolBudget, ...]


@dataclass(frozen=True, slots=True)
class PlannedArtifact:
    """One file set to fetch. ``ollama_tag`` is set for artifacts that come from Ollama's library."""

    id: str
    model: str
    format: str
    quantisation: str
    repository: str
    files: tuple[str, ...]
    file_bytes: int
    size_basis: Basis
    licence: str
    gated: bool | None
    commercial: bool | None
    revision: str = ""
    sha256: str = ""
    ollama_tag: str = ""
    projector_file: str = ""
    projector_bytes: int = 0


@dataclass(frozen=True, slots=True)
class PlannedEngine:
    """An engine that the plan uses: image by backend, version, the port inside its container."""

    id: str
    title: str
    version: str
    container_port: int
    images: dict[str, str]


@dataclass(frozen=True, slots=True)
class PlannedDemand:
    """What one instance takes from one pool, part by part."""

    pool: str
    weights_bytes: int
    kv_bytes: int
    state_bytes: int
    compute_bytes: int
    output_bytes: int
    overhead_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class Instance:
    """One deployed option. ``context_tokens`` is what each of ``slots`` requests may use.

    ``total_context_tokens`` (context x slots, padded as the engine does) is what the engine is told. ``speed`` is with
    ``acceleration``, whose draft or prediction head is told to the engine by ``draft_artifact``, ``draft_tokens`` and
    ``prediction_head``. ``cache_ram_bytes`` bounds saved prompts in host memory (llama-server's ``--cache-ram``),
    ``context_checkpoints`` the copies of state and sliding windows per slot (``--ctx-checkpoints``). ``lookup_tokens``
    are proposed at once from the context itself. ``active_experts`` is set where not the model's own number answers:
    it replaces the value of ``experts_key`` in the model's header.
    """

    id: str
    model: str
    artifact: str
    engine: str
    context_tokens: int
    total_context_tokens: int
    kv_type: str
    slots: int
    tier: str
    swap_group: str
    placement: Placement
    port: int
    mode: str
    demand: tuple[PlannedDemand, ...]
    disk_bytes: int
    speed: SpeedEstimate | None
    basis: Basis
    micro_batch_tokens: int = 512
    flash_attention: str = "on"
    pooling: str = ""
    draft_artifact: str = ""
    draft_tokens: int = 0
    prediction_head: bool = False
    lookup_tokens: int = 0
    active_experts: int = 0
    experts_key: str = ""
    cache_ram_bytes: int = 0
    vision: bool = False
    context_checkpoints: int = 0
    acceleration: Acceleration | None = None


@dataclass(frozen=True, slots=True)
class UtilityTerm:
    """One term of a role's utility in points of 0..100, with where its number comes from."""

    name: str
    points: float
    basis: Basis
    note: str = ""


@dataclass(frozen=True, slots=True)
class Utility:
    """A role's utility: the sum of its terms, at least 0."""

    total: float
    terms: tuple[UtilityTerm, ...]


@dataclass(frozen=True, slots=True)
class ServedRole:
    """A role and the instance that serves it. ``pool`` is the role's own name where the stack asks for several."""

    role: str
    instance: str
    required: bool
    priority: float
    context_tokens: int
    slots: int
    mode: str
    thinking: str
    utility: Utility
    pool: str = ""
    inputs: tuple[str, ...] = ("text",)


@dataclass(frozen=True, slots=True)
class Unserved:
    """A role that nothing serves, and the cause (a slug of `reasons`, with its figures)."""

    role: str
    because: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ObjectiveLevel:
    """One level of the lexicographic objective."""

    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Proof:
    """How good the plan is known to be. ``gap`` 0 with status "optimal" means that nothing better exists.

    Options were looked at; ``ways_passed_over`` (a model in an engine and place) a bound keeps out of a better plan.
    """

    status: str
    bound: float
    gap: float
    options_offered: int
    options_refused: int
    solver: str
    ways_passed_over: int = 0


@dataclass(frozen=True, slots=True)
class UsedMeasurement:
    """The measurement that an instance's speed rests on, and whether engine version and machine were the same."""

    instance: str
    digest: str
    engine_version: str
    same_version: bool
    same_machine: bool
    measured_at: str


@dataclass(frozen=True, slots=True)
class PlannedMeasurements:
    """The measurements that the plan was made with: how many may hold here, one digest of them, and which were used."""

    count: int
    digest: str
    used: tuple[UsedMeasurement, ...]


@dataclass(frozen=True, slots=True)
class CatalogStamp:
    """Which catalog the plan was made from."""

    date: str
    digest: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything decided, and nothing else."""

    schema: int
    profile: str
    stack: str
    policy: str
    estimator: str
    catalog: CatalogStamp
    host: PlannedHost
    engines: tuple[PlannedEngine, ...]
    artifacts: tuple[PlannedArtifact, ...]
    instances: tuple[Instance, ...]
    roles: tuple[ServedRole, ...]
    unserved: tuple[Unserved, ...]
    objective: tuple[ObjectiveLevel, ...]
    proof: Proof
    gateway_port: int = 4000
    notes: tuple[str, ...] = field(default=())
    fallbacks: tuple[Fallback, ...] = ()
    measurements: PlannedMeasurements | None = None
    runtime: Runtime = field(default=Runtime())

    def instance(self, instance_id: str) -> Instance:
        """The instance called ``instance_id``; KeyError when there is none."""
        return {instance.id: instance for instance in self.instances}[instance_id]

    def artifact(self, artifact_id: str) -> PlannedArtifact:
        """The artifact called ``artifact_id``; KeyError when there is none."""
        return {artifact.id: artifact for artifact in self.artifacts}[artifact_id]

    def engine(self, engine_id: str) -> PlannedEngine:
        """The engine called ``engine_id``; KeyError when there is none."""
        return {engine.id: engine for engine in self.engines}[engine_id]

    def roles_of(self, instance_id: str) -> tuple[ServedRole, ...]:
        """Roles that the instance serves, in the plan's order."""
        return tuple(role for role in self.roles if role.instance == instance_id)


def plan_to_json(plan: Plan) -> str:
    """The plan as JSON text, byte for byte the same for the same plan."""
    return json.dumps(plan_data(plan), indent=2, ensure_ascii=False) + "\n"


def plan_data(plan: Plan) -> dict[str, Any]:
    """The plan as plain data; ``measurements`` is there only when some were used."""
    data = dataclasses.asdict(plan)
    if plan.measurements is None:
        del data["measurements"]
    return data


def plan_from_json(text: str) -> Plan:
    """The plan that `plan_to_json` wrote. Raises ``pydantic.ValidationError`` on anything else."""
    plan: Plan = _adapter().validate_json(text)
    return plan


def plan_schema() -> dict[str, Any]:
    """JSON schema of a saved plan."""
    schema: dict[str, Any] = _adapter().json_schema()
    return schema


def _adapter() -> Any:
    from pydantic import TypeAdapter  # noqa: PLC0415  (60 ms that planning itself does not need)

    return TypeAdapter(Plan)
