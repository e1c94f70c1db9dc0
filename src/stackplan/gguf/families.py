"""What engines know about an architecture and files do not say: windows, shared caches, encoders.

Read from llama.cpp's model loaders, build b11434 (November 2026), where these are defaults in code. The key is
the GGUF architecture ("gemma3"), never a model's name. An architecture that is not listed is unknown: its shape is
derived from tensors and keys alone and marked as guessed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

# Every architecture whose loader was read; those without an entry below follow their keys and tensors plainly.
_KNOWN = """
    afmoe apertus arcee arctic arwkv7 baichuan bailingmoe bailingmoe2 bailingmoe3 bert bitnet bloom chameleon chatglm
    clef codeshell cogvlm cohere2 cohere2moe command-r dbrx deci deepseek deepseek2 deepseek2-ocr deepseek32 deepseek4
    dflash dots1 dots3note dream eagle3 ernie4_5 ernie4_5-moe eurobert exaone exaone-moe exaone4 falcon falcon-h1
    gemma gemma-embedding gemma2 gemma3 gemma3n gemma4 gemma4-assistant glm-dsa glm4 glm4moe glm5-next gpt-oss gpt2
    gptj gptneox granite granite_swa granitehybrid granitemoe graniteswitch grok grovemoe hrm_text hunyuan-dense
    hunyuan-moe hunyuan_vl hy_v3 hy_v4 internlm2 jais jais2 jamba jina-bert-v2 jina-bert-v3 kimi-k3 kimi-linear laguna
    lfm2 lfm2moe llada llada-moe llama llama-embed llama4 maincoder mamba mamba2 maple mellum mimo2 minicpm minicpm3
    minimax-01 minimax-m2 minimax-m3 mistral3 mistral4 modern-bert mpt muse-glimmer nanbeige nemotron nemotron_h
    nemotron_h_moe neo-bert nomic-bert nomic-bert-moe olmo olmo2 olmoe openelm orion paddleocr pangu-embedded phi2
    phi3 phimoe plamo plamo2 plamo3 plm pockettts qwen qwen2 qwen2moe qwen2vl qwen3 qwen35 qwen35moe qwen3moe
    qwen3next qwen3tts qwen3vl qwen3vlmoe qwen4exp refact rnd1 rwkv6 rwkv6qwen2 rwkv7 seed_oss smallthinker smollm3
    spark2_5 stablelm starcoder starcoder2 step35 t5 t5encoder talkie wavtokenizer-dec xverse
"""
KNOWN: Final = frozenset(_KNOWN.split())


@dataclass(frozen=True, slots=True)
class WindowRule:
    """How an architecture slides its attention window.

    ``period``: every so many layers one is full; 0 slides all of them, None needs a list in the file.
    ``default_tokens`` is the window when the file names none; ``fixed_tokens`` overrides what it names.
    ``full_first`` puts the full layer first in its period. ``only_block_count`` restricts the rule to one depth.
    """

    period: int | None
    default_tokens: int = 0
    fixed_tokens: int = 0
    full_first: bool = False
    only_block_count: int = 0


# An architecture that is known and not here ignores `attention.sliding_window` (phi3, llama with Mistral v0.1).
WINDOWS: Final[Mapping[str, WindowRule]] = {
    "afmoe": WindowRule(4),
    "cohere2": WindowRule(4),
    "cohere2moe": WindowRule(4, full_first=True),
    "deepseek4": WindowRule(0),
    "dflash": WindowRule(None),
    "dots3note": WindowRule(None),
    "exaone-moe": WindowRule(4, default_tokens=128),
    "exaone4": WindowRule(4, default_tokens=4096, only_block_count=64),
    "gemma2": WindowRule(2, default_tokens=4096),
    "gemma3": WindowRule(6),
    "gemma3n": WindowRule(5),
    "gemma4": WindowRule(None),
    "gemma4-assistant": WindowRule(None),
    "gpt-oss": WindowRule(2),
    "granite_swa": WindowRule(None),
    "laguna": WindowRule(4, full_first=True),
    "lfm2": WindowRule(0),
    "llama4": WindowRule(4, default_tokens=8192, fixed_tokens=8192),
    "maple": WindowRule(None),
    "mellum": WindowRule(4),
    "mimo2": WindowRule(None),
    "muse-glimmer": WindowRule(4),
    "olmo2": WindowRule(4),
    "plamo3": WindowRule(8),
    "smallthinker": WindowRule(4, fixed_tokens=4096, full_first=True),
    "spark2_5": WindowRule(None),
    "step35": WindowRule(None),
}

# No key-value cache at all; encoders have no output head either, but for those that follow.
ENCODERS: Final = frozenset(
    {
        "bert",
        "clef",
        "eurobert",
        "gemma-embedding",
        "jina-bert-v2",
        "jina-bert-v3",
        "modern-bert",
        "neo-bert",
        "nomic-bert",
        "nomic-bert-moe",
        "wavtokenizer-dec",
    }
)
ENCODERS_WITH_HEAD: Final = frozenset({"gemma-embedding"})
DIFFUSION: Final = frozenset({"dream", "llada", "llada-moe", "rnd1"})

# Blocks with a cache of their own, counted from the first, where the loader fixes them.
OWN_CACHE_BLOCKS: Final[Mapping[str, int]] = {"gemma3n": 20}
# Each sequence has its own full cache even when a unified one is asked for.
NEVER_UNIFIED: Final = frozenset({"deepseek4"})
# Drafters that read the cache of the model they draft for.
CACHE_OF_TARGET: Final = frozenset({"gemma4-assistant"})

# Linear attention without a tensor that shows it: every so many layers one is full.
LINEAR_ATTENTION_PERIOD: Final[Mapping[str, int]] = {"minimax-01": 8}

# Blocks beyond `block_count` that the loader adds for a router with one key-value head.
ROUTER_BLOCKS: Final[Mapping[str, int]] = {"graniteswitch": 1}

# Rows of `indexer.key_length` values cached per token by sparse attention: raw keys, and pooled keys where it pools.
INDEXER_ROWS: Final[Mapping[str, int]] = {"glm5-next": 3, "qwen4exp": 2}
# Sparse attention that caches indexer values beside keys.
INDEXER_WITH_VALUES: Final = frozenset({"minimax-m3"})
