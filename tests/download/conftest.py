"""A plan, a hub and a home folder of their own for every test; the program under test runs as its users run it."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:  # `pytest` alone does not add it, `python -m pytest` does
    sys.path.insert(0, str(ROOT))

from tests.download.hub_server import HubServer  # noqa: E402
from tests.render.plans import LLAMA_CPP, gguf, host, instance  # noqa: E402
from tests.render.plans import plan as made_plan  # noqa: E402

from stackplan.deploy import write_tree  # noqa: E402
from stackplan.plan import Plan, PlannedArtifact  # noqa: E402
from stackplan.render import render_plan  # noqa: E402


def content(size: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(size)  # noqa: S311  (the same bytes every time)


WORKER = content(3_000_001, 1)
SMALL = content(400_000, 2)
REPOSITORIES = {
    "example-org/worker-GGUF": {
        "worker-Q4_K_M.gguf": WORKER,
        "worker-Q8_0.gguf": content(1000, 3),
        "README.md": b"# a model\n",
    },
    "example-org/coder-GGUF": {
        "coder-Q4_K_M-00001-of-00002.gguf": SMALL,
        "coder-Q4_K_M-00002-of-00002.gguf": content(300_000, 4),
        "UD-Q4_K_M/coder-UD-Q4_K_M.gguf": content(2000, 5),
        "mmproj-F16.gguf": content(5000, 6),
    },
}


def artifact(model: str, size: int, **more: object) -> PlannedArtifact:
    return gguf(model, repository=f"example-org/{model}-GGUF", file_bytes=size, **more)


def stack(*artifacts: PlannedArtifact, tiers: tuple[str, ...] = ("hot", "warm", "cold")) -> Plan:
    """One llama.cpp instance per artifact, one tier after the other."""
    served = tuple(
        (instance(one, "llama.cpp", 8100 + number, place=(), tier=tiers[number]), (one.model,))
        for number, one in enumerate(artifacts)
    )
    return made_plan("test-host", host("test-host"), artifacts, served, (LLAMA_CPP,))


def usual_plan() -> Plan:
    """A HOT model whose file is known by name, and a WARM one in parts whose names nobody knows yet."""
    return stack(artifact("worker", len(WORKER), files=("worker-Q4_K_M.gguf",)), artifact("coder", 700_000, files=()))


@dataclass
class Site:
    """A machine with a rendered stack and its folders, beside a hub."""

    folder: Path
    hub: HubServer
    index: Path

    @property
    def deploy(self) -> Path:
        return self.folder / "deploy"

    @property
    def models(self) -> Path:
        return self.folder / "models"

    @property
    def cache(self) -> Path:
        return self.folder / "hf" / "hub"

    def render(self, plan: Plan) -> None:
        write_tree(self.deploy, render_plan(plan))

    def environment(self, **more: str) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "HF_HOME": str(self.folder / "hf"),
            "HF_ENDPOINT": self.hub.url,
            "HF_HUB_DOWNLOAD_TIMEOUT": "2",
            "STACKPLAN_MODELS": str(self.models),
            "STACKPLAN_RETRY_SECONDS": "0.01",
            "STACKPLAN_CACHE": str(self.index),
            "PYTHONDONTWRITEBYTECODE": "1",
        } | more

    def start(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "stackplan", *words]
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment(**environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*words, **environment)
        out, told = process.communicate(timeout=120)
        assert "Traceback" not in told, told
        return subprocess.CompletedProcess(process.args, process.returncode, out, told)

    def data(self, *words: str, **environment: str) -> dict:
        return json.loads(self.run(*words, "--json", **environment).stdout)

    def model(self, path: str) -> bytes:
        return (self.models / path).read_bytes()

    def partials(self) -> list[Path]:
        return sorted(self.folder.rglob("*.stackplan.incomplete"))


@pytest.fixture
def hub() -> Iterator[HubServer]:
    server = HubServer({name: dict(files) for name, files in REPOSITORIES.items()})
    yield server
    server.close()


@pytest.fixture
def site(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, hub: HubServer) -> Site:
    made = Site(tmp_path, hub, tmp_path_factory.getbasetemp() / "index")
    made.render(usual_plan())
    return made
