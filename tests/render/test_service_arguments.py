"""Command lines of vLLM, Text Embeddings Inference and Infinity: the plan, in words that the programs know."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.render.conftest import ROOT, run
from tests.render.plans import services_stack

from stackplan.estimate.text_embeddings import TEI_BATCH_TOKENS, infinity_batch_size
from stackplan.plan import Instance, Plan
from stackplan.render.service_arguments import infinity_arguments, tei_arguments, vllm_arguments
from stackplan.values import replace

HERE = Path(__file__).parent
LOCK = ROOT / "requirements-infinity.lock"
# docs.vllm.ai, `vllm serve` of 0.26; huggingface.co/docs/text-embeddings-inference/cli_arguments, 1.9. Neither program
# can be installed here (several gigabytes; Rust with kernels), so these lists are all that judges them.
VLLM_FLAGS = {
    "--dtype", "--gpu-memory-utilization", "--kv-cache-dtype", "--max-model-len", "--max-num-seqs", "--revision",
    "--runner", "--served-model-name", "--tensor-parallel-size",
}  # fmt: skip
TEI_FLAGS = {
    "--dtype", "--max-batch-tokens", "--max-concurrent-requests", "--model-id", "--pooling", "--revision",
}  # fmt: skip


def served_by(engine: str, plan: Plan | None = None) -> list[Instance]:
    return [one for one in (plan or services_stack()).instances if one.engine == engine]


def value(words: list[str], flag: str) -> str:
    return words[words.index(flag) + 1]


def test_vllm_is_told_context_slots_share_and_type_of_the_plan() -> None:
    plan = services_stack()
    (one,) = served_by("vllm")
    words = vllm_arguments(plan, one, "/")
    assert {word for word in words if word.startswith("--")} <= VLLM_FLAGS
    assert value(words, "--max-model-len") == str(one.context_tokens)
    assert value(words, "--max-num-seqs") == str(one.slots)
    assert 0 < float(value(words, "--gpu-memory-utilization")) < 1
    assert value(words, "--dtype") == "auto"  # AWQ: the repository says
    exact = tuple(replace(artifact, quantisation="BF16") for artifact in plan.artifacts)
    assert value(vllm_arguments(replace(plan, artifacts=exact), one, "/"), "--dtype") == "bfloat16"


def test_tei_fills_batches_as_the_estimate_counts_them() -> None:
    plan = services_stack()
    for one in served_by("tei"):
        words = tei_arguments(plan, one, "/")
        assert {word for word in words if word.startswith("--")} <= TEI_FLAGS
        assert value(words, "--max-batch-tokens") == str(max(TEI_BATCH_TOKENS, one.total_context_tokens))
        assert value(words, "--dtype") == ("float32" if one.placement.is_cpu else "float16")


def test_infinitys_batches_shrink_with_the_length_of_texts() -> None:
    plan = services_stack()
    (one,) = served_by("infinity")
    for context in (512, 8192, 32768):
        words = infinity_arguments(plan, replace(one, total_context_tokens=context), "")
        assert int(value(words, "--batch-size")) == infinity_batch_size(context)
        assert int(value(words, "--batch-size")) * context <= max(16384, context)


@pytest.fixture(scope="session")
def infinity_python() -> Path:
    """Python with Infinity's command line: INFINITY_PYTHON, else a folder of the user's cache, made once."""
    if named := os.environ.get("INFINITY_PYTHON"):
        return Path(named)
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stackplan" / f"infinity-{digest}"
    python = folder / "bin/python"
    if not (folder / "done").exists():
        install = [python, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", LOCK]
        for command in ([sys.executable, "-m", "venv", folder], install):
            done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, timeout=600)
            if done.returncode:
                pytest.skip(f"Infinity's command line cannot be installed: {done.stderr.strip()[-200:]}")
        (folder / "done").touch()
    return python


@pytest.mark.slow
def test_infinitys_own_parser_takes_every_command_line(infinity_python: Path) -> None:
    plan = services_stack()
    (one,) = served_by("infinity")
    unlocked = tuple(replace(artifact, files=(), revision="c" * 40) for artifact in plan.artifacts)
    for made in (plan, replace(plan, artifacts=unlocked)):
        words = [*infinity_arguments(made, one, "/"), "--host", "127.0.0.1", "--port", "7997"]
        done = run(infinity_python, HERE / "infinity_judge.py", "v2", *words)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["batch_size"] == f"({infinity_batch_size(one.total_context_tokens)},)"
    done = run(infinity_python, HERE / "infinity_judge.py", "v2", "--model-id", "a", "--dtyp", "float16")
    assert "No such option: --dtyp" in done.stderr
