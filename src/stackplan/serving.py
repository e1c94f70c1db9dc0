"""How an engine is asked to serve weights, and what that takes: the estimator's question and answer."""

from dataclasses import dataclass

from msgspec import Struct

from stackplan.hardware import Basis

KV_TYPES = ("f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl")
HOST = "cpu"


@dataclass(frozen=True, slots=True)
class Placement:
    """Where weights and cache go.

    ``devices`` are GPU ids in split order, empty for the CPU alone. ``gpu_layers`` counts offloaded layers from
    the end, the output layer included (llama.cpp's ``-ngl``); ``None`` means all. ``split`` gives each device's
    share of the offloaded layers (proportions, llama.cpp's ``--tensor-split``); empty means equal.
    ``cpu_expert_layers`` keeps the routed experts of the first so many blocks in host memory (``--n-cpu-moe``).
    """

    devices: tuple[str, ...] = ()
    gpu_layers: int | None = None
    split: tuple[float, ...] = ()
    cpu_expert_layers: int = 0

    @property
    def is_cpu(self) -> bool:
        """Whether nothing is offloaded."""
        return not self.devices or self.gpu_layers == 0

    @property
    def is_cut(self) -> bool:
        """Whether part of the model stays in host memory: some layers, or experts of some."""
        return self.gpu_layers is not None or self.cpu_expert_layers > 0


class Serving(Struct, frozen=True):
    """What is asked of an engine.

    ``context_tokens`` is llama-server's ``-c``: the total over ``slots`` (with ``kv_unified``, the shared pool).
    ``flash_attention`` is "auto", "on" or "off". ``output_rows`` is "slots" for a text server and "batch" for
    embedding servers and tools that keep logits of a whole micro-batch. ``draft_tokens`` enlarges outputs when a draft
    or a prediction head is in use, ``rollback_tokens`` the recurrent state of engines that keep one per proposal.
    """

    context_tokens: int
    slots: int = 1
    kv_unified: bool = False
    kv_type_k: str = "f16"
    kv_type_v: str = "f16"
    micro_batch_tokens: int = 512
    batch_tokens: int = 2048
    flash_attention: str = "auto"
    output_rows: str = "slots"
    draft_tokens: int = 0
    swa_full: bool = False
    prediction_head: bool = False
    rollback_tokens: int = 0


class Demand(Struct, frozen=True):
    """Bytes that one instance takes from one place (a device id, or "cpu" for host memory)."""

    place: str
    weights_bytes: int = 0
    kv_bytes: int = 0
    state_bytes: int = 0
    compute_bytes: int = 0
    output_bytes: int = 0
    overhead_bytes: int = 0

    @property
    def total_bytes(self) -> int:
        """The sum of the parts; never stored, so that it cannot disagree with them."""
        return (
            self.weights_bytes
            + self.kv_bytes
            + self.state_bytes
            + self.compute_bytes
            + self.output_bytes
            + self.overhead_bytes
        )


class OverheadLine(Struct, frozen=True):
    """One named part of ``overhead_bytes``, so that nothing hides in a constant."""

    place: str
    name: str
    bytes: int
    basis: Basis


class Estimate(Struct, frozen=True):
    """What serving takes, place by place. ``error_fraction`` bounds the estimate when ``basis`` is assumed."""

    engine: str
    demands: tuple[Demand, ...]
    file_bytes: int
    basis: Basis
    overheads: tuple[OverheadLine, ...] = ()
    error_fraction: float = 0.02
    notes: tuple[str, ...] = ()

    @property
    def total_bytes(self) -> int:
        """Bytes over all places."""
        return sum(demand.total_bytes for demand in self.demands)

    def demand(self, place: str) -> Demand:
        """The demand on ``place``; an empty one when nothing is taken there."""
        return next((demand for demand in self.demands if demand.place == place), Demand(place))


class Unestimable(Struct, frozen=True):
    """Why no estimate is given: the engine would refuse, or stackplan does not know the shape."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Acceleration:
    """How tokens are proposed ahead of the model, which then verifies several at once.

    ``kind`` is "draft" (a second, small model: ``draft_model``, in its file ``draft_artifact``) or "mtp" (the model's
    own multi-token-prediction head). ``draft_tokens`` are proposed per step, each accepted with chance
    ``acceptance``. ``speedup`` is how many times faster one stream decodes, expected to lie between
    ``speedup_low`` and ``speedup_high``.
    """

    kind: str
    draft_tokens: int
    acceptance: float
    speedup: float
    speedup_low: float
    speedup_high: float
    basis: Basis
    draft_model: str = ""
    draft_artifact: str = ""


@dataclass(frozen=True, slots=True)
class SpeedEstimate:
    """Tokens per second as a range that holds for 80 % of measured rows, with the central value.

    Decode is one stream at ``kv_depth_tokens``; prompt is reading new text; load is from disk to ready, seconds.
    """

    decode_tokens_per_second: float
    decode_low: float
    decode_high: float
    prompt_tokens_per_second: float | None
    prompt_low: float | None
    prompt_high: float | None
    load_seconds: float | None
    basis: Basis
