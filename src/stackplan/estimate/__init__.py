"""Bytes and speed of serving: weights, quantisation mixtures, KV cache, compute buffers, overhead, per engine."""
