"""What llama-server keeps of prompts in host memory: copies of state and sliding windows, from which it can go back.

A cache that grows with the context is cut where texts part; a state and a window forget, so that the server copies
them now and then (``--ctx-checkpoints``, pull request 15293). Saved prompts of idle slots (``--cache-ram``) are a
plain limit.
"""

from stackplan.architecture import Architecture, Attention
from stackplan.estimate.kv_cache import cache_shape, layer_cache_bytes, state_bytes
from stackplan.serving import Serving


def checkpoint_bytes(architecture: Architecture, sliding_window: int, serving: Serving, checkpoints: int) -> int:
    """Bytes of ``checkpoints`` copies per slot; 0 for a model that has neither state nor windows.

    ``sliding_window`` is 0 for a model whose engine keeps the whole context in every layer.
    """
    if not checkpoints:
        return 0
    one = Serving(sliding_window or 1, kv_type_k=serving.kv_type_k, kv_type_v=serving.kv_type_v)
    shape = cache_shape(sliding_window, one)
    layers = [layer for layer in architecture.layers if not layer.prediction]
    kept = sum(state_bytes(layer, one) for layer in layers)
    kept += sum(layer_cache_bytes(layer, shape, one) for layer in layers if layer.attention is Attention.SLIDING)
    return kept * checkpoints * serving.slots
