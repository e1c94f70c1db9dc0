"""Where the bytes of one file go in llama.cpp, without asking for the rest: cache and buffers do not depend on them."""

from stackplan.architecture import Architecture, WeightTable
from stackplan.estimate import placement as places
from stackplan.estimate.llama_cpp import held_weights, prepared_once
from stackplan.estimate.speculation import predicting
from stackplan.serving import HOST, Placement


def weights_by_place(
    architecture: Architecture,
    weights: WeightTable,
    placement: Placement,
    projector_bytes: int = 0,
    *,
    prediction: bool = False,
) -> list[tuple[str, int]]:
    """Bytes of weights by place, host memory first; an image projector goes to the first device.

    ``prediction`` tells that the file's prediction blocks are in use.
    """
    prepared = prepared_once(predicting(architecture) if prediction else architecture, weights)
    shares = places.shares(prepared.table.block_count, placement) if placement.devices else ()
    held = held_weights(prepared, shares, placement, prediction=prediction)
    if projector_bytes:
        held[1 if shares else 0] += projector_bytes
    return list(zip((HOST, *(share.place for share in shares)), held, strict=True))
