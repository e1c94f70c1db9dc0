"""What every engine's estimator is asked, whatever it then needs of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec import Struct

from stackplan.architecture import Architecture, WeightTable
from stackplan.hardware import Device
from stackplan.serving import Placement, Serving, Unestimable


@dataclass(frozen=True, slots=True)
class DraftWeights:
    """A second, small model that proposes tokens to the one that is asked about."""

    architecture: Architecture
    weights: WeightTable


class Question(Struct, frozen=True):
    """Weights, how they are served, and where.

    ``architecture`` and ``weights`` are None when nobody knows the shape; engines that need it then refuse.
    ``parameters`` and ``file_bytes`` are the model's and the artifact's, ``compute_type`` what the engine computes
    with where that is a choice ("int8", "float16"), ``projector_bytes`` an image projector's file.
    ``cache_ram_bytes`` and ``checkpoints`` limit what a server saves of prompts. ``draft`` is loaded beside the model.
    """

    architecture: Architecture | None
    weights: WeightTable | None
    serving: Serving
    placement: Placement
    devices: Sequence[Device] = ()
    parameters: int = 0
    file_bytes: int = 0
    compute_type: str = ""
    projector_bytes: int = 0
    cache_ram_bytes: int = 0
    checkpoints: int = 0
    draft: DraftWeights | None = None


def shape_unknown() -> Unestimable:
    """The answer of engines that need the shape of a model that has none."""
    return Unestimable("shape-unknown", "nobody has written down the layers of this model")


def gpus_of(question: Question) -> tuple[Device, ...]:
    """The devices that the placement names, in its order; empty for the CPU."""
    known = {device.id: device for device in question.devices}
    return tuple(known[name] for name in question.placement.devices if name in known)
