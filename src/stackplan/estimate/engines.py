"""The engines that stackplan can estimate: one literal registry, one protocol."""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from stackplan.catalog import Artifact, Model
from stackplan.estimate import llama_cpp, ollama, text_embeddings, vllm, whisper
from stackplan.estimate.question import Question
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


def answer(engine: str, question: Question) -> Estimate | Unestimable:
    """The answer of ``engine``; Unestimable for one that is not known."""
    estimator = ENGINES.get(engine)
    if estimator is None:
        return Unestimable("engine-unknown", f"{engine} is none of {', '.join(ENGINES)}")
    return estimator(question)


def estimate_serving(
    engine: str,
    model: Model,
    artifact: Artifact,
    serving: Serving,
    placement: Placement,
    devices: Sequence[Device] = (),
    *,
    vision: bool = False,
) -> Estimate | Unestimable:
    """What serving an artifact of the catalog takes; ``vision`` loads its image projector too."""
    question = Question(
        architecture=model.architecture,
        weights=artifact.weights,
        serving=serving,
        placement=placement,
        devices=devices,
        parameters=model.parameters,
        file_bytes=artifact.file_bytes,
        compute_type=artifact.quantisation if artifact.format == "ctranslate2" else "",
        projector_bytes=artifact.projector_bytes if vision else 0,
    )
    return answer(engine, question)
