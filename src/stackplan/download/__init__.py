"""Weights on disk: what a plan needs, what of it is there, and how the rest is fetched, checked and kept.

Files come from Hugging Face into the hub's own cache layout, so that no program fetches them twice, and appear under
``models/REPOSITORY/FILE``, where everything that was rendered looks for them. Ollama pulls its own.
"""
