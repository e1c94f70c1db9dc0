"""`pytest` alone does not see the tests as a package; real programs are found as in tests/render."""

import os
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))


@pytest.fixture(scope="module")
def llama_server() -> Path:
    """A real llama-server: LLAMA_BIN names its folder."""
    folder = os.environ.get("LLAMA_BIN")
    found = Path(folder) / "llama-server" if folder else Path(shutil.which("llama-server") or "")
    if not found.is_file():
        pytest.skip("no llama-server: set LLAMA_BIN to the folder that holds it")
    return found


@pytest.fixture(scope="module")
def ollama_program() -> Path:
    """A real Ollama server."""
    named = os.environ.get("OLLAMA_BIN")
    if not named:
        pytest.skip("no Ollama: set OLLAMA_BIN to a program that `go install github.com/ollama/ollama@v0.32.13` built")
    return Path(named)


@pytest.fixture(scope="module")
def litellm_program() -> Path:
    """The litellm program with its proxy."""
    named = os.environ.get("LITELLM_BIN")
    if not named:
        pytest.skip("no LiteLLM proxy: set LITELLM_BIN to a `litellm` program installed with litellm[proxy]")
    return Path(named)
