"""What is wanted: the roles of a stack with floors, wishes and priorities, and the policy that weighs them."""

from dataclasses import dataclass, field

from stackplan.remote import RemoteEndpoint


@dataclass(frozen=True, slots=True)
class RoleRequest:
    """One role as the user asks for it. ``None`` leaves the role's own default from the catalog.

    ``count`` is how many different models or copies are wanted (a pool of embedders), ``slots`` how many requests run
    at the same time. ``tier_pinned`` makes
    ``tier`` a demand, not a wish. ``model``, ``quantisation``, ``engine``, ``kv_type`` and ``device`` pin a choice.
    ``active_experts`` is how many experts of a mixture shall answer.
    """

    role: str
    priority: float = 1.0
    required: bool = True
    tier: str | None = None
    tier_pinned: bool = False
    context_floor_tokens: int | None = None
    context_wish_tokens: int | None = None
    speed_floor: float | None = None
    speed_wish: float | None = None
    count: int = 1
    slots: int | None = None
    port: int | None = None
    model: str | None = None
    quantisation: str | None = None
    engine: str | None = None
    kv_type: str | None = None
    device: str | None = None
    quality_floor: float | None = None
    max_parameters: int | None = None
    min_parameters: int | None = None
    architecture_classes: tuple[str, ...] = ()
    forbid: tuple[str, ...] = ()
    active_experts: int | None = None


@dataclass(frozen=True, slots=True)
class Stack:
    """The roles that a user wants together."""

    id: str
    title: str
    roles: tuple[RoleRequest, ...]
    gateway_port: int = 4000
    source: str = ""
    fallbacks: tuple[RemoteEndpoint, ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """How wishes are weighed. Weights multiply the shortfall of each term on the 0..100 utility scale.

    ``memory_weight`` counts memory itself against an option, for people who want what is nearly as good and smaller.
    """

    id: str = "balanced"
    quality_weight: float = 1.0
    speed_weight: float = 0.5
    context_weight: float = 0.5
    tier_weight: float = 0.3
    memory_weight: float = 0.0
    commercial: bool = False
    allow_split: bool = True
    allow_partial_offload: bool = True
    headroom_bytes: int = 0
    forbid: tuple[str, ...] = ()
    engines: tuple[str, ...] = ()
    kv_types: tuple[str, ...] = ("f16", "q8_0")
    vram_override_bytes: dict[str, int] = field(default_factory=dict)
    prompt_cache_bytes: int | None = None
    """The most that each server may save of prompts in host memory; None leaves what it saves unasked."""
    partial: bool = False
    """Serve what can be served instead of answering NoPlan when a required role cannot be."""


@dataclass(frozen=True, slots=True)
class Request:
    """A stack under a policy: everything the user said that is not the machine."""

    stack: Stack
    policy: Policy
