"""The full tensor table of a model from its hyperparameters, in the names and types of the GGUF converter's F16 file.

`tensors_of` is the whole interface. Families are data (``families``, ``parts``); symbols get their numbers in
``dimensions``; ``build`` tells what kind a block is and writes the table.
"""

from stackplan.estimate.inventory.build import (
    MAX_BLOCKS,
    Unsupported,
    converter_type,
    supported_architectures,
    tensors_of,
)

__all__ = ["MAX_BLOCKS", "Unsupported", "converter_type", "supported_architectures", "tensors_of"]
