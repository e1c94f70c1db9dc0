"""A stack of small models on this very machine, with nothing in between that is not real.

The test makes the models and a catalog that knows them; `apply` plans this machine; `download` fetches the weights from
a hub on loopback; `up` starts real llama-servers and the real LiteLLM proxy under a real supervisor; the official
client asks; one server is killed and returns; `down` leaves nothing.
"""

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import psutil
import pytest
from tests.download.hub_server import HubServer
from tests.render.conftest import clean_environment
from tests.render.test_running import free_ports
from tests.render.tiny_gguf import Shape, chat_model, encoder

from stackplan.running.endpoints import listeners
from stackplan.running.leftovers import MARK, leftovers
from stackplan.running.site import site_of

ASK = Path(__file__).with_name("ask_openai.py")
KEY = "sk-marker-of-the-running-stack"
SHAPE = Shape(width=512, feed_forward=1024, blocks=4, heads=8, context=2048)
MIB = 1024**2
HOT, WARM, COLD = ("worker", "embedding", "reranker"), ("code", "math"), ("architect",)
FLOORS = "context_floor: 512, context_wish: 1024, speed_floor: 0, quality_floor: 0"
KINDS = {
    "worker": "worker",
    "code": "code",
    "math": "math",
    "architect": "worker",
    "embedding": "embed",
    "reranker": "rerank",
}
RECORD = """
  - id: {id}
    name: {id}
    lineage: {id}
    released: 2026-01
    repository: tests/{id}
    licence: {{id: MIT, name: MIT, commercial: true, gated: false}}
    context_tokens: {shape.context}
    tokenizer: {{family: {id}, vocabulary: {vocabulary}}}
    inputs: [text]
    suits: [{kind}]
    thinking: none
    parameters: {parameters}
    active_parameters: {parameters}
    architecture:
      name: {architecture}
      block_count: {shape.blocks}
      context_length: {shape.context}
      embedding_length: {shape.width}
      feed_forward_length: {shape.feed_forward}
      attention.head_count: {shape.heads}
      attention.head_count_kv: {shape.heads}
      vocab_size: {vocabulary}
      tied_embeddings: false
      {more}
    artifacts:
      - {{format: gguf, repository: tests/{id}-GGUF, file: "{id}-{{quantisation}}.gguf", quantisation: F32,
         published_bytes: {size}}}
    date: 2026-11-21
    sources: {{identity: test, parameters: test, context: test, licence: test, architecture: test}}
"""


@dataclass(frozen=True)
class Running:
    """A folder with a deployment, and how its command line is called."""

    folder: Path
    environment: dict[str, str]
    gateway_port: int
    python: Path

    def stackplan(self, *words: str, code: int = 0, seconds: int = 240) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "stackplan", *words]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=seconds, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    def status(self, code: int = 0) -> dict[str, dict]:
        """Rows of `status` by unit."""
        return {row["id"]: row for row in json.loads(self.stackplan("status", "--json", code=code).stdout)["units"]}

    def ask(self, *words: str) -> dict:
        """What the official client got from the gateway."""
        command = [str(self.python), str(ASK), f"http://127.0.0.1:{self.gateway_port}/v1", *words]
        environment = clean_environment(ASK_KEY=KEY)
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def rerank(self, query: str, *documents: str) -> list[dict]:
        body = json.dumps({"model": "reranker", "query": query, "documents": documents}).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"}
        with urlopen(Request(f"http://127.0.0.1:{self.gateway_port}/v1/rerank", body, headers), timeout=60) as answer:
            return json.load(answer)["results"]

    def processes(self) -> list[psutil.Process]:
        """Every process of the deployment, its supervisor included, found by what they inherited."""
        return leftovers(site_of(self.folder / "deploy", self.folder / "models", self.environment).key)


def write_models(folder: Path) -> str:
    """A model file per role; the catalog's records of them."""
    records = []
    for role, kind in KINDS.items():
        name, is_encoder = f"tiny-{role}", kind in ("embed", "rerank")
        path = folder / "hub" / f"tests/{name}-GGUF" / f"{name}-F32.gguf"
        if is_encoder:
            encoder(path, reranks=kind == "rerank", shape=SHAPE)
            more = "attention.causal: false\n      token_type_count: 1"
        else:
            chat_model(path, shape=SHAPE)
            more = f"attention.key_length: {SHAPE.width // SHAPE.heads}"
        records.append(
            RECORD.format(
                id=name,
                kind=kind,
                shape=SHAPE,
                size=path.stat().st_size,
                parameters=path.stat().st_size // 4,
                architecture="bert" if is_encoder else "llama",
                vocabulary=13 if is_encoder else 259,
                more=more,
            )
        )
    return "family: tiny\nabout: Models of a test.\nmodels:" + "".join(records)


def stack_file(ports: list[int]) -> str:
    """The roles by name, on this machine's processor: the engine that is built for tests knows no other device."""
    lines = ["title: Every tier", f"gateway_port: {ports.pop()}", "roles:"]
    for role in KINDS:
        tier = "hot" if role in HOT else "warm" if role in WARM else "cold"
        lines.append(
            f"  - {{role: {role}, model: tiny-{role}, engine: llama.cpp, device: cpu, "
            f"tier: {tier}, port: {ports.pop()}, "
            f"{FLOORS}}}"
        )
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, llama_server: Path, litellm_proxy: Path) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("running")
    (folder / "cat" / "models").mkdir(parents=True)
    (folder / "cat" / "models" / "tiny.yaml").write_text(write_models(folder), encoding="utf-8")
    ports = free_ports(len(KINDS) + 1)
    gateway = ports[-1]
    (folder / "tiny.yaml").write_text(stack_file(ports), encoding="utf-8")
    environment = clean_environment(
        STACKPLAN_CONFIG=str(folder / "config"),
        STACKPLAN_STATE=str(folder / "state"),
        STACKPLAN_CACHE=str(folder / "cache"),
        STACKPLAN_MODELS=str(folder / "models"),
        LLAMA_SERVER=str(llama_server),
        LITELLM=str(litellm_proxy),
        LITELLM_MASTER_KEY=KEY,
        OPENAI_API_KEY="sk-marker-of-the-user",
    )
    made = Running(folder, environment, gateway, litellm_proxy.with_name("python"))
    apply_in_little_memory(made)
    download(made)
    yield made
    made.stackplan("down")


def apply_in_little_memory(running: Running) -> None:
    """Plan this machine so that HOT and one more model fit, but not what three WARM ones keep mapped.

    How much that is comes from a first plan that has all the memory. What other programs hold may change in between.
    """
    options = ("--catalog", "cat", "--stack", "tiny.yaml")
    for _ in range(5):
        roomy = json.loads(running.stackplan("plan", *options, "--json").stdout)
        held = {one["id"]: one["demand"][0] for one in roomy["instances"]}
        hot = sum(held[f"tiny-{role}"]["total_bytes"] for role in HOT)
        mapped = held["tiny-code"]["weights_bytes"]
        wanted = hot + held["tiny-code"]["total_bytes"] + mapped + mapped // 2
        headroom = roomy["host"]["pools"][0]["budget_bytes"] - wanted
        more = ("--headroom", f"{headroom // MIB}MiB", "--target", "llama.cpp,litellm,routing")
        running.stackplan("apply", *options, *more)
        if tiers(running) == {"hot": len(HOT), "warm": len(WARM), "cold": len(COLD)}:
            return


def download(running: Running) -> None:
    """Fetch the weights as users do, from a hub that has just these."""
    files = sorted((running.folder / "hub").rglob("*.gguf"))
    hub = HubServer({f"tests/{path.parent.name}": {path.name: path.read_bytes()} for path in files})
    running.environment.update(HF_ENDPOINT=hub.url, HF_HOME=str(running.folder / "hf"), HF_HUB_DISABLE_TELEMETRY="1")
    running.stackplan("download")
    hub.close()


def planned_instances(running: Running) -> dict[str, dict[str, Any]]:
    """The instances of the plan that is applied, by name."""
    plan = json.loads((running.folder / "deploy" / "plan.json").read_text(encoding="utf-8"))
    return {one["id"]: one for one in plan["instances"]}


def tiers(running: Running) -> dict[str, int]:
    """How many instances of the plan are in each tier."""
    found = [one["tier"].lower() for one in planned_instances(running).values()]
    return {tier: found.count(tier) for tier in ("hot", "warm", "cold")}


def test_the_plan_of_this_machine_has_every_tier(running: Running) -> None:
    assert {name: one["tier"].lower() for name, one in planned_instances(running).items()} == {
        f"tiny-{role}": tier for roles, tier in ((HOT, "hot"), (WARM, "warm"), (COLD, "cold")) for role in roles
    }


def test_before_up_everything_is_missing(running: Running) -> None:
    rows = running.status(code=2)
    assert not any(row["answers"] for row in rows.values())
    assert {name for name, row in rows.items() if row["wanted"]} == {*(f"tiny-{role}" for role in HOT), "gateway"}


def test_up_starts_the_hot_servers_and_the_gateway_and_says_how_long_it_took(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    done = running.stackplan("up", "--with", "supervisord", "--json")
    started = {row["unit"]: row["seconds_until_healthy"] for row in json.loads(done.stdout)["started"]}
    assert started.keys() == {*(f"tiny-{role}" for role in HOT), "gateway"}
    assert all(row["answers"] for name, row in running.status().items() if name in started)
    with capsys.disabled():
        print("\nseconds until healthy:", json.dumps(started))


def test_the_official_client_gets_chat_and_embeddings_through_the_gateway(running: Running) -> None:
    assert running.ask("chat", "worker", "hello")["tokens"] > 0
    vectors = running.ask("embeddings", "embedding", "a b c", "d e")["vectors"]
    assert [len(vector) for vector in vectors] == [SHAPE.width, SHAPE.width]
    assert all(math.isfinite(number) for vector in vectors for number in vector)
    assert vectors[0] != vectors[1]


def test_the_gateway_ranks_documents(running: Running) -> None:
    ranks = running.rerank("a b", "a b c", "g h", "e")
    assert sorted(row["index"] for row in ranks) == [0, 1, 2]
    assert all(math.isfinite(row["relevance_score"]) for row in ranks)


def test_what_is_held_is_within_what_was_planned(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [row for row in running.status().values() if row["pid"] and row["planned_host_bytes"]]
    assert len(rows) == len(HOT)
    with capsys.disabled():
        for row in rows:
            sizes = (row[f"{name}_bytes"] / 1024**2 for name in ("planned_host", "resident", "proportional"))
            print("\n{}: planned {:.1f} MiB, RSS {:.1f} MiB, PSS {:.1f} MiB".format(row["id"], *sizes), end="")
        print()
    assert [row["id"] for row in rows if row["proportional_bytes"] > row["planned_host_bytes"]] == []
    assert [row["id"] for row in rows if row["proportional_bytes"] < row["planned_host_bytes"] / 10] == []


def test_what_is_calibrated_here_is_what_the_next_plan_of_this_machine_rests_on(running: Running) -> None:
    told = running.stackplan("calibrate", "--role", "worker", "--repeats", "3", "--json")
    (measured,) = json.loads(told.stdout)["measured"]
    assert measured["host_peak_bytes"] > 0
    # Held to what was measured: slowed down by other work, it would lose to another cache type with a derived speed.
    held = ("--set", f"worker.kv={planned_instances(running)['tiny-worker']['kv_type']}")
    asked = ("plan", "--catalog", "cat", "--stack", "tiny.yaml", *held, "--json")
    after, derived = (json.loads(running.stackplan(*asked, *more).stdout) for more in ((), ("--no-measurements",)))
    assert [one["instance"] for one in after["measurements"]["used"]] == ["tiny-worker"]
    speeds = {one["id"]: one["speed"] for one in after["instances"]}
    assert {name for name, speed in speeds.items() if speed["basis"] == "measured"} == {"tiny-worker"}
    deeper = speeds["tiny-worker"]["decode_tokens_per_second"] / measured["decode"]["median"]
    assert 0.3 < deeper <= 1, "plans compare with more text in the cache than the bench had room for"
    assert any("measured speeds: tiny-worker" in note for note in after["notes"])
    assert "measurements" not in derived


def test_no_key_is_in_a_file_in_an_argument_or_with_a_model_server(running: Running) -> None:
    files = [path for path in running.folder.rglob("*") if path.is_file() and path.suffix != ".gguf"]
    assert [path for path in files if b"sk-marker" in path.read_bytes()] == []
    processes = {one.environ()[MARK].partition("/")[2]: one for one in running.processes()}
    assert processes.keys() == {"supervisord", "gateway", *(f"tiny-{role}" for role in HOT)}
    for name, process in processes.items():
        assert "sk-marker" not in " ".join(process.cmdline())
        held = [value for value in process.environ().values() if "sk-marker" in value]
        assert held == ([KEY] if name in ("supervisord", "gateway") else [])


def test_a_killed_server_returns_and_the_others_never_went(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    before = running.status()
    os.kill(before["tiny-worker"]["pid"], signal.SIGKILL)
    killed = time.monotonic()
    assert not running.status(code=2)["tiny-worker"]["answers"]
    after = eventually(running, lambda rows: rows["tiny-worker"]["answers"])
    with capsys.disabled():
        print(f"\nkilled and back after {time.monotonic() - killed:.1f} s")
    assert after["tiny-worker"]["pid"] != before["tiny-worker"]["pid"]
    for name in ("tiny-embedding", "tiny-reranker", "gateway"):
        assert after[name]["pid"] == before[name]["pid"]
    assert running.ask("chat", "worker", "hello again")["tokens"] > 0


def eventually(running: Running, wanted: Callable[[dict[str, dict]], bool], seconds: float = 60) -> dict[str, dict]:
    end = time.monotonic() + seconds
    while True:
        done = running.stackplan("status", "--json", code=0) if _is_up(running) else None
        rows = {row["id"]: row for row in json.loads(done.stdout)["units"]} if done else {}
        if rows and wanted(rows):
            return rows
        assert time.monotonic() < end, "it did not come back"
        time.sleep(0.2)


def _is_up(running: Running) -> bool:
    command = [sys.executable, "-m", "stackplan", "status"]
    return (
        subprocess.run(
            command, cwd=running.folder, env=running.environment, capture_output=True, check=False
        ).returncode
        == 0
    )


def test_warm_models_are_loaded_on_demand_and_take_turns(running: Running) -> None:
    running.stackplan("up", "--tier", "warm")
    rows = running.status()
    (router,) = (row for row in rows.values() if row["tier"] == "warm")
    assert sorted(router["roles"]) == sorted(WARM)
    idle = router["resident_bytes"]
    for role in WARM:
        assert running.ask("chat", role, "hello")["tokens"] > 0
        router = running.status()[router["id"]]
        assert router["processes"] == 2, "the router and the one model that it holds"
        assert idle < router["proportional_bytes"] <= router["planned_host_bytes"]


def test_a_cold_server_is_started_by_name_and_the_warm_ones_make_room(running: Running) -> None:
    done = running.stackplan("up", "--tier", "cold", code=1)
    assert done.stderr.startswith("error[role-needed]")
    done = running.stackplan("up", "--tier", "cold", "architect")
    assert "stopping" in done.stderr
    rows = running.status()
    assert {name for name, row in rows.items() if row["answers"]} == {
        "gateway", "tiny-architect", *(f"tiny-{role}" for role in HOT)
    }  # fmt: skip
    assert running.ask("chat", "architect", "hello")["tokens"] > 0


def test_up_again_restarts_nothing(running: Running) -> None:
    before = {name: row["pid"] for name, row in running.status().items()}
    running.stackplan("up")
    assert {name: row["pid"] for name, row in running.status().items()} == before


def test_down_leaves_no_process_and_no_open_port(running: Running) -> None:
    ports = {int(row["address"].rpartition(":")[2]) for row in running.status().values()}
    assert running.processes()
    running.stackplan("down")
    assert running.processes() == []
    assert ports & listeners().keys() == set()
    assert running.stackplan("down").stdout == "nothing ran\n"
    assert running.stackplan("status", code=2).stdout
