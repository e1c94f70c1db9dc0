"""GGUF headers: read safely from a file or by ranged requests, and turned into an `Architecture`."""
