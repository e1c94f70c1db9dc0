"""Whisper on CTranslate2 (faster-whisper, Speaches): weights by compute type, and a workspace by decoder depth.

Source: peaks in SYSTRAN/faster-whisper's README (RTX 3070 Ti) and issue #1030, read November 2026: large-v2 4525 MB
(float16) and 2926 MB (int8), large-v3 4521 and 2953, turbo 2537 and 1545, distil-large-v3 2409 and 1481; batches of 8
6090 and 4500. The upper end of the fit is taken, which is at most 9 % above those.
"""

from stackplan.estimate.question import Question, gpus_of
from stackplan.hardware import Basis
from stackplan.serving import HOST, Demand, Estimate, OverheadLine, Unestimable

ENGINE = "speaches"
MB = 1_000_000
_PARAMETER_BYTES = {
    "float32": 4.0,
    "float16": 2.0,
    "bfloat16": 2.0,
    "int8": 1.0,
    "int8_float16": 1.0,
    "int8_bfloat16": 1.0,
    "int8_float32": 1.0,
}
# Context and workspace, and what each decoder layer adds with a beam of 5.
_WORKSPACE_BYTES, _PER_DECODER_LAYER_BYTES = 880 * MB, 21 * MB
_PER_BATCH_ITEM_BYTES = 200 * MB
_DEFAULT_DECODER_LAYERS = 32  # the deepest published: an upper bound where the model's own is unknown
# Host memory while weights of another type are converted: 0.9 GB for float16, 2.3 GB for int8 made of float16 files.
_HOST_BYTES, _HOST_CONVERTING_BYTES = 900 * MB, 2300 * MB
ERROR_FRACTION = 0.09


def whisper_bytes(parameters: int, decoder_layers: int, compute_type: str, batch_size: int = 1) -> tuple[int, int]:
    """Bytes of weights and of workspace at the peak. KeyError for a compute type that CTranslate2 does not have."""
    workspace = _WORKSPACE_BYTES + _PER_DECODER_LAYER_BYTES * decoder_layers
    return int(parameters * _PARAMETER_BYTES[compute_type]), workspace + _PER_BATCH_ITEM_BYTES * (batch_size - 1)


def answer(question: Question) -> Estimate | Unestimable:
    """What a Whisper server takes; ``slots`` is the batch, ``compute_type`` the artifact's unless chosen."""
    compute_type = question.compute_type or "float16"
    if compute_type not in _PARAMETER_BYTES:
        return Unestimable("compute-type-unknown", f"{compute_type} is none of {', '.join(_PARAMETER_BYTES)}")
    parameters = question.parameters or question.file_bytes // 2
    if not parameters:
        return Unestimable("shape-unknown", "neither parameters nor the size of the file are known")
    layers = question.architecture.block_count if question.architecture else _DEFAULT_DECODER_LAYERS
    weights, workspace = whisper_bytes(parameters, layers, compute_type, question.serving.slots)
    gpus = gpus_of(question)[:1]
    if not gpus:
        return _estimate(question, (Demand(HOST, weights, compute_bytes=workspace),), ())
    host = _HOST_CONVERTING_BYTES if compute_type.startswith("int8") else _HOST_BYTES
    line = OverheadLine(HOST, "loading", host, Basis.MEASURED)
    demands = (Demand(HOST, overhead_bytes=host), Demand(gpus[0].id, weights, compute_bytes=workspace))
    return _estimate(question, demands, (line,))


def _estimate(question: Question, demands: tuple[Demand, ...], lines: tuple[OverheadLine, ...]) -> Estimate:
    notes = ("the driver's context is part of the workspace",)
    return Estimate(ENGINE, demands, question.file_bytes, Basis.DERIVED, lines, ERROR_FRACTION, notes)
