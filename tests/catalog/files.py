"""A catalog of one small real model, written out so that a test can spoil one line of it."""

from pathlib import Path

from stackplan.bundled import bundled_folder
from stackplan.catalog_files import read_catalog_files
from stackplan.catalog_yaml import CatalogRecords, parse_catalog

FAMILY = """\
family: qwen2.5
models:
  - id: qwen2.5-0.5b-instruct
    name: Qwen2.5-0.5B-Instruct
    lineage: qwen
    released: 2024-09
    repository: Qwen/Qwen2.5-0.5B-Instruct
    licence: {id: Apache-2.0, name: Apache-2.0, commercial: true, gated: false}
    context_tokens: 32768
    tokenizer: {family: qwen2-bpe, vocabulary: 151936}
    inputs: [text]
    suits: [worker, draft]
    parameters: 494032768
    active_parameters: 494032768
    architecture:
      name: qwen2
      block_count: 24
      context_length: 32768
      embedding_length: 896
      feed_forward_length: 4864
      attention.head_count: 14
      attention.head_count_kv: 2
      vocab_size: 151936
      tied_embeddings: true
    artifacts:
      - format: gguf
        repository: bartowski/Qwen2.5-0.5B-Instruct-GGUF
        importance_matrix: true
        file: "Qwen2.5-0.5B-Instruct-{quantisation}.gguf"
        published_gib: {Q4_K_M: 0.371, Q8_0: 0.495}
      - format: ollama
        tag: "qwen2.5:0.5b"
        quantisation: Q4_K_M
        published_bytes: 397807936
    quality:
      - {metric: MATH, value: 34.4, date: 2024-09, source: Qwen2.5 blog}
    sources: {identity: model card, parameters: counted from the architecture}
    date: 2026-11-21
"""
ENGINES = """\
engines:
  - id: llama.cpp
    title: llama.cpp
    formats: [gguf]
    modes: [chat]
    backends: [cpu]
    version: b11434
    container_port: 8080
    source: README
    date: 2026-11-21
  - id: ollama
    title: Ollama
    formats: [gguf, ollama]
    modes: [chat]
    backends: [cpu]
    version: "0.32.13"
    container_port: 11434
    reads_split_files: false
    source: README
    date: 2026-11-21
"""


def write_catalog(folder: Path, family: str = FAMILY, engines: str = ENGINES) -> Path:
    """A catalog folder that holds ``family`` and ``engines``."""
    (folder / "models").mkdir(parents=True, exist_ok=True)
    (folder / "models" / "qwen2.5.yaml").write_text(family)
    (folder / "engines.yaml").write_text(engines)
    return folder


def read_catalog(*folders: Path) -> CatalogRecords:
    """The records below ``folders``."""
    return parse_catalog(read_catalog_files(folders))


def bundled_records() -> CatalogRecords:
    """What ships with stackplan."""
    return read_catalog(bundled_folder("catalog"))
