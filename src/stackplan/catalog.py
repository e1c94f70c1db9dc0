"""What can be served and by whom: models, artifacts, engines, roles. Values only; reading is `catalog_yaml`'s."""

from dataclasses import dataclass

from msgspec import Struct, field

from stackplan.architecture import Architecture, WeightTable
from stackplan.hardware import Basis


class Licence(Struct, frozen=True):
    """Terms of a model. ``commercial`` is None when nobody could read them."""

    id: str
    name: str
    commercial: bool | None
    gated: bool | None
    note: str = ""


class QualityFigure(Struct, frozen=True):
    """One published result of one model."""

    metric: str
    value: float
    date: str
    source: str
    confidence: str = "high"
    note: str = ""


class Artifact(Struct, frozen=True):
    """One downloadable form of a model.

    ``format`` is gguf, safetensors, ctranslate2 or ollama (a tag of Ollama's library, which is a GGUF behind a name).
    ``files`` are names within ``repository``; empty when only the pattern is known. ``file_bytes`` is derived from
    the shape where ``size_basis`` is derived, else the published size; ``published_bytes`` is what the
    source printed, with ``published_resolution_bytes`` of rounding. ``weights`` is None when the shape is unknown.
    """

    id: str
    model: str
    format: str
    quantisation: str
    repository: str
    file_bytes: int
    size_basis: Basis
    files: tuple[str, ...] = ()
    engines: tuple[str, ...] = ()
    revision: str = ""
    sha256: str = ""
    importance_matrix: bool = False
    published_bytes: int | None = None
    published_resolution_bytes: int = 0
    parts: int = 1
    projector_file: str = ""
    projector_bytes: int = 0
    weights: WeightTable | None = None


class Model(Struct, frozen=True):
    """One set of weights as published.

    ``suits`` names the role kinds that its makers or users give it. ``thinking`` is "none", "always", "switchable" or
    "unknown". ``prediction_head`` tells of multi-token-prediction weights. ``lineage`` is the family of
    training ("qwen", "llama", "gemma" ...): two roles that check each other should not share it. ``pooling`` is how an
    embedder makes one vector: mean, cls or last.
    """

    id: str
    name: str
    family: str
    lineage: str
    released: str
    repository: str
    licence: Licence
    context_tokens: int
    parameters: int
    active_parameters: int
    tokenizer: str
    vocabulary_size: int
    inputs: tuple[str, ...]
    suits: tuple[str, ...]
    artifacts: tuple[Artifact, ...]
    architecture: Architecture | None = None
    quality: tuple[QualityFigure, ...] = ()
    thinking: str = "unknown"
    prediction_head: bool = False
    embedding_dimensions: int | None = None
    source: str = ""
    date: str = ""
    notes: str = ""
    origin: str = ""
    pooling: str = ""

    @property
    def architecture_class(self) -> str:
        """One of encoder, recurrent, hybrid, mixture-of-experts, dense, unknown."""
        shape = self.architecture
        if shape is None:
            return "unknown"
        if not shape.causal:
            return "encoder"
        if shape.is_recurrent:
            return "recurrent"
        if shape.is_hybrid:
            return "hybrid"
        return "mixture-of-experts" if shape.experts else "dense"


class Role(Struct, frozen=True):
    """A job, and what it needs of whoever does it; from ``catalog/roles.yaml``.

    ``suits`` lists the model kinds that may serve it, ``scale`` the quality scale that counts, ``mode`` the gateway's
    endpoint kind (chat, embedding, rerank, audio_transcription). ``context_floor_tokens`` may not be undercut;
    ``context_wish_tokens`` is what it would like. ``speculation`` tells whether a draft may serve it, ``prompt_lookup``
    whether proposals from the context may, ``expert_reduction`` whether users may ask for fewer active experts.
    """

    id: str
    title: str
    suits: tuple[str, ...]
    scale: str
    mode: str
    engines: tuple[str, ...]
    default_tier: str
    context_floor_tokens: int
    context_wish_tokens: int
    speed_floor: float
    speed_wish: float
    port: int
    slots: int = 1
    inputs: tuple[str, ...] = ("text",)
    thinking: str = "any"
    speculation: bool = True
    prompt_lookup: bool = False
    expert_reduction: bool = False
    architecture_classes: tuple[str, ...] = ()
    quality_floor: float = 0.0
    checks: tuple[str, ...] = ()
    """Roles whose answers it judges; weights of another lineage than theirs are worth more there."""
    source: str = ""


class Engine(Struct, frozen=True):
    """A program that serves artifacts; from ``catalog/engines.yaml``.

    ``images`` maps a backend to a pinned image, ``health_check`` is a command that exists in it. ``accelerations`` are
    the ways to propose tokens that stackplan can tell it: "draft" (a second model), "mtp" (a prediction head).
    ``prompt_cache_bytes`` and ``context_checkpoints`` (per slot) are what it saves of prompts in host memory unless
    told otherwise; 0 where it saves nothing, or cannot be told. ``spreads_over_devices`` says that one model may lie on
    several cards.
    """

    id: str
    title: str
    formats: tuple[str, ...]
    modes: tuple[str, ...]
    backends: tuple[str, ...]
    images: dict[str, str] = field(default_factory=dict)
    version: str = ""
    container_port: int = 8080
    health_check: tuple[str, ...] = ()
    start_period_seconds: int = 60
    source: str = ""
    date: str = ""
    accelerations: tuple[str, ...] = ()
    prompt_cache_bytes: int = 0
    context_checkpoints: int = 0
    spreads_over_devices: bool = True


@dataclass(frozen=True, slots=True, repr=False)
class Catalog:
    """Everything that may be planned with. ``date`` is the newest date of its records, ``digest`` their content."""

    models: tuple[Model, ...]
    roles: tuple[Role, ...]
    engines: tuple[Engine, ...]
    date: str
    digest: str

    def model(self, model_id: str) -> Model:
        """The model called ``model_id``; KeyError when there is none."""
        return {model.id: model for model in self.models}[model_id]

    def role(self, role_id: str) -> Role:
        """The role called ``role_id``; KeyError when there is none."""
        return {role.id: role for role in self.roles}[role_id]

    def engine(self, engine_id: str) -> Engine:
        """The engine called ``engine_id``; KeyError when there is none."""
        return {engine.id: engine for engine in self.engines}[engine_id]
