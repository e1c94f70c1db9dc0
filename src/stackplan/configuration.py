"""One way to run one artifact, before anybody asks what it takes: the point of the option space."""

from dataclasses import dataclass

from msgspec import Struct

from stackplan.catalog import Artifact, Model
from stackplan.serving import Acceleration, Placement, Serving

# Embedding and reranking read a whole text in one micro-batch (llama.cpp refuses longer ones).
WHOLE_TEXT_MODES = frozenset({"embedding", "rerank"})


class Ahead(Struct, frozen=True):
    """Who proposes tokens to a model: its own prediction head, or ``draft_model`` in its file ``draft``.

    ``rollback_tokens`` is how many more recurrent states per slot the engine then keeps of the model.
    """

    acceleration: Acceleration
    draft_model: Model | None = None
    draft: Artifact | None = None
    rollback_tokens: int = 0

    @property
    def name(self) -> str:
        """What distinguishes it: ``mtp``, or the file of the draft."""
        return self.draft.id if self.draft else self.acceleration.kind


@dataclass(frozen=True, slots=True)
class Saved:
    """What a server may keep of prompts in host memory: bytes of whole caches, and copies of state per slot."""

    cache_ram_bytes: int = 0
    checkpoints: int = 0


class Configuration(Struct, frozen=True):
    """An artifact in an engine with a context per slot, a KV type, a placement.

    It has its eyes if ``vision``, is sped up by ``ahead``, and keeps ``saved`` prompts.
    """

    model: Model
    artifact: Artifact
    engine: str
    mode: str
    context_tokens: int
    kv_type: str
    placement: Placement
    vision: bool = False
    ahead: Ahead | None = None
    saved: Saved = Saved()

    @property
    def base(self) -> str:
        """The instance that the configuration is one form of: the same weights in the same engine, for one mode."""
        return f"{self.artifact.id}@{self.engine}/{self.mode}"

    @property
    def name(self) -> str:
        """A name that no other configuration has, and that sorts sensibly."""
        with_it = ("+vision" if self.vision else "") + (f"+{self.ahead.name}" if self.ahead else "")
        return f"{self.base}{with_it}|{place_name(self.placement)}|{self.context_tokens:07d}|{self.kv_type}"

    @property
    def files(self) -> tuple[tuple[str, int], ...]:
        """Its artifacts with the bytes that each takes on disk."""
        own = (self.artifact.id, self.artifact.file_bytes + (self.artifact.projector_bytes if self.vision else 0))
        draft = self.ahead.draft if self.ahead else None
        return (own, (draft.id, draft.file_bytes)) if draft else (own,)

    @property
    def disk_bytes(self) -> int:
        """Bytes of its files."""
        return sum(size for _, size in self.files)

    def serving(self, slots: int) -> Serving:
        """What the engine is asked: ``slots`` requests at a time, each with its own context."""
        whole = self.mode in WHOLE_TEXT_MODES
        total = self.context_tokens * slots
        return Serving(
            context_tokens=total,
            slots=slots,
            kv_type_k=self.kv_type,
            kv_type_v=self.kv_type,
            micro_batch_tokens=self.context_tokens if whole else 512,
            batch_tokens=self.context_tokens if whole else 2048,
            output_rows="batch" if whole else "slots",
            draft_tokens=self.ahead.acceleration.draft_tokens if self.ahead else 0,
            prediction_head=self.ahead is not None and self.ahead.draft is None,
            rollback_tokens=self.ahead.rollback_tokens if self.ahead else 0,
        )


def place_name(placement: Placement) -> str:
    """A placement as people say it: ``gpu0``, ``cpu``, ``gpu0+gpu1``, ``gpu0 with 24 expert layers in RAM``."""
    if placement.is_cpu:
        return "cpu"
    cards = "+".join(placement.devices)
    if placement.cpu_expert_layers:
        return f"{cards} with {placement.cpu_expert_layers} expert layers in RAM"
    return cards if placement.gpu_layers is None else f"{cards} with {placement.gpu_layers} layers"
