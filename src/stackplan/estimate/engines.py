"""The engines that stackplan can estimate: one literal registry, one protocol."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from msgspec import Struct

from stackplan.catalog import Artifact, Model
from stackplan.estimate import llama_cpp, ollama, text_embeddings, vllm, whisper
from stackplan.estimate.question import DraftWeights, Question
from stackplan.hardware import Device
from stackplan.serving import Estimate, Placement, Serving, Unestimable


class Estimator(Protocol):
    """Answers what serving takes, or why nobody can say."""

    def __call__(self, question: Question, /) -> Estimate | Unestimable:
        """Bytes by place, part by part."""


ENGINES: Final[Mapping[str, Estimator]] = {
    "llama.cpp": llama_cpp.answer,
    "ollama": ollama.answer,
    "vllm": vllm.answer,
    "tei": text_embeddings.answer_tei,
    "infinity": text_embeddings.answer_infinity,
    "speaches": whisper.answer,
}


PLACES: Final[Mapping[str, Callable[[Placement], Unestimable | None]]] = {
    "ollama": ollama.place_obstacle,
    "vllm": vllm.place_obstacle,
}
"""Where an engine runs nothing, for those that do not run wherever they compute."""

STEPS: Final[Mapping[str, tuple[int, ...]]] = {"ollama": ollama.STEPS}
"""Context lengths of a slot above which an engine works in other batches, so that its bytes jump."""


def place_obstacle(engine: str, placement: Placement) -> Unestimable | None:
    """Why ``engine`` runs no model at a placement, whatever its file; None where it may."""
    told = PLACES.get(engine)
    return told(placement) if told is not None else None


def answer(engine: str, question: Question) -> Estimate | Unestimable:
    """The answer of ``engine``; Unestimable for one that is not known."""
    estimator = ENGINES.get(engine)
    if estimator is None:
        return Unestimable("engine-unknown", f"{engine} is none of {', '.join(ENGINES)}")
    return estimator(question)


class Beside(Struct, frozen=True):
    """What a server loads and keeps beside the weights of a model: its eyes, a draft, what it saves of prompts.

    ``cache_ram_bytes`` bounds saved prompts in host memory, ``checkpoints`` copies of state and windows per slot.
    """

    vision: bool = False
    draft: DraftWeights | None = None
    cache_ram_bytes: int = 0
    checkpoints: int = 0


NOTHING: Final = Beside()


def estimate_serving(
    engine: str,
    model: Model,
    artifact: Artifact,
    serving: Serving,
    placement: Placement,
    devices: Sequence[Device] = (),
    beside: Beside = NOTHING,
) -> Estimate | Unestimable:
    """What serving an artifact of the catalog takes."""
    question = Question(
        architecture=model.architecture,
        weights=artifact.weights,
        serving=serving,
        placement=placement,
        devices=devices,
        parameters=model.parameters,
        file_bytes=artifact.file_bytes,
        compute_type=artifact.quantisation if artifact.format == "ctranslate2" else "",
        projector_bytes=artifact.projector_bytes if beside.vision else 0,
        cache_ram_bytes=beside.cache_ram_bytes,
        checkpoints=beside.checkpoints,
        draft=beside.draft,
    )
    return answer(engine, question)
