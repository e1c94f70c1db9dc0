"""The real programs that slow tests start are found in one place: where `make engine` built them.

LLAMA_BIN (the folder of llama-server), LITELLM_BIN and OLLAMA_BIN, if set, go before. A test that starts one of these
programs is slow, so that `make test` needs none of them; without the program it is skipped and says why.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

# How long one example takes tells of the machine, and of the tests beside it, not of what is tested.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

ENGINE = Path(__file__).resolve().parents[1] / "scripts" / "engine.py"
# Fixtures that start a program; whoever asks for one of them takes seconds, not milliseconds.
STARTERS = {"llama_server", "litellm_proxy", "ollama_program"}


def pytest_configure(config: pytest.Config) -> None:
    """Name the built programs in the environment, where tests and their fixtures look for them, and an empty state."""
    state = tempfile.TemporaryDirectory(prefix="stackplan-state-")  # plans shall not rest on what the tester measured
    config.add_cleanup(state.cleanup)
    os.environ["STACKPLAN_STATE"] = state.name
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # begun in the background: whoever we start would inherit it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    said = subprocess.run([sys.executable, str(ENGINE), "--find"], capture_output=True, text=True, check=True).stdout
    built = json.loads(said)
    if "llama" in built:
        os.environ.setdefault("LLAMA_BIN", str(Path(built["llama"]).parent))
    for name in ("litellm", "ollama"):
        if name in built:
            os.environ.setdefault(f"{name.upper()}_BIN", built[name])


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever starts a real program is slow."""
    for item in items:
        if STARTERS & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def llama_server() -> Path:
    """A real llama-server."""
    folder = os.environ.get("LLAMA_BIN")
    if not folder or not (Path(folder) / "llama-server").is_file():
        pytest.skip("no llama-server: run `make engine`, or set LLAMA_BIN to the folder that holds it")
    return Path(folder) / "llama-server"


@pytest.fixture(scope="session")
def litellm_proxy() -> Path:
    """The litellm program with its proxy."""
    named = os.environ.get("LITELLM_BIN")
    if not named or not Path(named).is_file():
        pytest.skip("no LiteLLM proxy: run `make engine`, or set LITELLM_BIN to one installed with litellm[proxy]")
    return Path(named)


@pytest.fixture(scope="session")
def ollama_program() -> Path:
    """Ollama's server."""
    named = os.environ.get("OLLAMA_BIN")
    if not named or not Path(named).is_file():
        pytest.skip("no Ollama: run `make engine` where Go is installed, or set OLLAMA_BIN to the program")
    return Path(named)
