"""`bench` and `calibrate` on real llama-servers of tiny models, through the command line, and what plans make of it."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from tests.render import test_running as rendered
from tests.render.plans import LLAMA_CPP, gguf, host, instance, plan
from tests.render.tiny_gguf import chat_model, encoder

from stackplan.deploy import write_tree
from stackplan.measurement_lines import read_measurement
from stackplan.plan import Plan, plan_to_json
from stackplan.render import render_plan
from stackplan.values import replace

stack, serve = rendered.stack, rendered.serve  # fixtures: a router of two models, started by the rendered script


@dataclass
class Site:
    """A home folder of its own with a saved plan."""

    folder: Path
    plan: Plan
    pids: dict[str, int]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "STACKPLAN_STATE": str(self.folder / "st")}
        command = [sys.executable, "-m", "stackplan", *words]
        done = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=200, check=False
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done


@pytest.fixture
def site(tmp_path: Path, llama_server: Path) -> Iterator[Site]:
    """A chat model and an embedder on the CPU, served as the plan says."""
    chat, embed = gguf("tiny-chat", "F32", 0.001), gguf("tiny-embed", "F32", 0.001)
    ports = rendered.free_ports(2)
    small = {"place": (), "context_tokens": 512, "kv_type": "f16"}
    served = (
        (instance(chat, "llama.cpp", ports[0], **small), ("worker",)),
        (instance(embed, "llama.cpp", ports[1], mode="embedding", pooling="mean", **small), ("embedding",)),
    )
    made = replace(plan("tiny", host("tiny", threads=2), (chat, embed), served, (LLAMA_CPP,)))
    write_tree(tmp_path / "deploy", render_plan(made, ["plan"]))
    chat_model(tmp_path / "chat.gguf")
    encoder(tmp_path / "embed.gguf", reranks=False)
    processes = {
        "tiny-chat": start(llama_server, tmp_path / "chat.gguf", ports[0]),
        "tiny-embed": start(llama_server, tmp_path / "embed.gguf", ports[1], "--embedding"),
    }
    for port in ports:
        wait_for(port)
    yield Site(tmp_path, made, {name: process.pid for name, process in processes.items()})
    for process in processes.values():
        process.kill()
        process.wait(timeout=30)


def start(program: Path, model: Path, port: int, *words: str) -> subprocess.Popen[bytes]:
    command = [
        str(program),
        "-m",
        str(model),
        "--port",
        str(port),
        "-c",
        "512",
        "-np",
        "1",
        "-t",
        "1",
        "--no-ui",
        *words,
    ]
    with (model.parent / f"{model.stem}.log").open("wb") as log:
        return subprocess.Popen([*command, "--host", "127.0.0.1"], stdout=log, stderr=log)


def wait_for(port: int, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            with urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
                if answer.status == 200:
                    return
        except (URLError, OSError):
            assert time.monotonic() < end, "the server did not start"
        time.sleep(0.1)


def high_water(pid: int) -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) * 1024


def test_a_bench_tells_speed_and_peak_of_every_instance(site: Site) -> None:
    done = site.run("bench", "--repeats", "3", "--seconds", "30", "--json")
    assert done.returncode == 0, done.stderr
    chat, embed = json.loads(done.stdout)["measured"]
    assert chat["decode"]["low"] <= chat["decode"]["median"] <= chat["decode"]["high"]
    assert chat["repeats"] == 3
    assert chat["engine_version"].startswith("b")
    assert embed["decode"] is None
    assert embed["prompt"]["median"] > 0
    for found in (chat, embed):
        assert found["host_peak_bytes"] == pytest.approx(high_water(site.pids[found["instance"]]), rel=0.05)
        assert found["device_peak_bytes"] is None
    assert "tiny-chat: 3/3" in done.stderr
    assert not (site.folder / "st").exists(), "bench keeps nothing"


def test_what_was_calibrated_is_listed_exported_imported_and_forgotten(site: Site) -> None:
    done = site.run("calibrate", "--repeats", "2", "--seconds", "20")
    assert done.returncode == 0, done.stderr
    assert "2 measurements kept" in done.stderr
    assert "tiny-chat" in done.stdout
    lines = site.run("calibrate", "export").stdout.splitlines()
    found = {one.artifact: one for one in map(read_measurement, lines)}
    assert set(found) == {"tiny-chat:F32", "tiny-embed:F32"}
    assert found["tiny-chat:F32"].devices[0].startswith("cpu:")
    (site.folder / "shared.jsonl").write_text("\n".join([*lines, '{"schema":1}', "not json"]) + "\n")
    assert "2 measurements forgotten" in site.run("calibrate", "forget", "--all").stdout
    again = site.run("calibrate", "import", "shared.jsonl")
    assert again.returncode == 1
    assert "shared.jsonl, line 3: " in again.stderr
    assert "shared.jsonl, line 4: " in again.stderr
    assert "2 measurements read, 2 new, 2 lines refused" in again.stdout
    assert site.run("calibrate", "export").stdout.splitlines() == lines
    assert site.run("calibrate", "list").stdout.count("import") == 2


def test_one_address_can_be_measured_without_a_plan(site: Site) -> None:
    port = site.plan.instance("tiny-chat").port
    words = ("--url", f"http://127.0.0.1:{port}", "--context", "512", "--repeats", "2", "--json")
    found = json.loads(site.run("bench", *words).stdout)
    assert found["decode"]["median"] > 0
    other = json.loads(site.run("bench", *words, "--engine", "openai").stdout)  # the same server in OpenAI's words
    assert other["decode"]["median"] > 0
    assert "key" not in json.dumps(found)


def test_a_role_that_does_not_run_is_told_beside_those_that_do(site: Site) -> None:
    os.kill(site.pids["tiny-embed"], 9)
    done = site.run("bench", "--repeats", "1", "--seconds", "20")
    assert done.returncode == 0
    assert "not measured: tiny-embed" in done.stdout
    alone = site.run("bench", "embedding", "--seconds", "5")
    assert (alone.returncode, "bench-failed" in alone.stderr) == (1, True)
    assert "unknown-role" in site.run("bench", "poet").stderr


def test_a_router_is_measured_member_by_member_with_the_time_to_load_each(
    stack: tuple[Plan, Path],
    serve: Callable[[str], None],
) -> None:
    made, folder = stack
    site = Site(folder, made, {})
    (folder / "deploy" / "plan.json").write_text(plan_to_json(made))
    serve("warm-cpu")
    wait_for(min(one.port for one in made.instances if one.swap_group))
    for words in (("--repeats", "2"), ("--repeats", "1", "--reload")):
        done = site.run("bench", "--seconds", "40", "--json", *words)
        assert done.returncode == 0, done.stderr
        rows = {row["instance"]: row for row in json.loads(done.stdout)["measured"]}
        assert "problem" in rows["tiny-chat"], "HOT servers were not started"
        for name in ("tiny-red", "tiny-blue"):  # they take turns, so that each had to be loaded
            assert rows[name]["decode"]["median"] > 0
            assert 0 < rows[name]["load_seconds"] < 40
            assert rows[name]["host_peak_bytes"] > 0
