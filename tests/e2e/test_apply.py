"""`stackplan apply` from end to end: real programs read the tree, and a kill at any moment leaves one tree, whole."""

import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.render.conftest import PLACEHOLDERS, VALIDATORS, clean_environment

ROOT = Path(__file__).resolve().parents[2]
JUDGES = ROOT / "tests" / "render"
QUIET = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "RUST_LOG": "off", **PLACEHOLDERS}
DUO = """title: A worker and an embedder, both by name
roles:
  - {role: worker, model: qwen2.5-7b-instruct, quantisation: Q4_K_M, engine: llama.cpp}
  - {role: embedding, model: nomic-embed-text-v1.5, quantisation: Q8_0, engine: llama.cpp}
"""


def stackplan(*words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*words), cwd=cwd, env=environment(cwd), capture_output=True, text=True, timeout=300, check=False
    )


def command(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "stackplan", *map(str, words)]


def environment(folder: Path) -> dict[str, str]:
    cache = os.environ.get("STACKPLAN_CACHE") or str(Path.home() / ".cache" / "stackplan")
    own = {"STACKPLAN_CONFIG": str(folder / "config"), "STACKPLAN_STATE": str(folder / "state")}
    return clean_environment(STACKPLAN_CACHE=cache, **own)


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def applied(*words: str, cwd: Path) -> Path:
    done = stackplan("apply", *words, "--out", "tree", cwd=cwd)
    assert done.returncode == 0, done.stderr
    return cwd / "tree"


@pytest.fixture(scope="session")
def bundled_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the README's command writes for a bundled machine."""
    return applied("rtx-3090-ti", cwd=tmp_path_factory.mktemp("bundled"))


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    (tmp_path / "duo.yaml").write_text(DUO, encoding="utf-8")
    return tmp_path


def test_the_same_command_twice_writes_the_same_bytes(bundled_tree: Path, tmp_path: Path) -> None:
    assert tree(applied("rtx-3090-ti", cwd=tmp_path)) == tree(bundled_tree)
    before = tree(tmp_path / "tree")
    assert tree(applied("rtx-3090-ti", cwd=tmp_path)) == before  # over what is there, its lock included
    assert [path.name for path in tmp_path.iterdir()] == ["tree"]


def test_docker_compose_accepts_the_tree(bundled_tree: Path) -> None:
    found = sorted(VALIDATORS.glob("lib/python*/site-packages/compose/docker-compose"))
    if not found:
        pytest.skip("no docker compose: run `make .venv-validators/.installed`")
    files = [word for path in sorted(bundled_tree.glob("compose*.yaml")) for word in ("-f", path.name)]
    assert files
    words = [found[0], *files, "--profile", "*", "config", "-q"]
    done = subprocess.run(
        words, cwd=bundled_tree, env=clean_environment(**PLACEHOLDERS), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("judge", "pattern"), [("litellm_judge.py", "litellm/*.yaml"), ("tensorzero_judge.py", "tensorzero/*.toml")]
)
def test_the_gateways_read_the_tree(judge: str, pattern: str, bundled_tree: Path) -> None:
    if not (VALIDATORS / ".installed").exists():
        pytest.skip("no .venv-validators: run `make .venv-validators/.installed`")
    configs = sorted(bundled_tree.glob(pattern))
    assert configs
    for config in configs:
        words = [VALIDATORS / "bin" / "python", JUDGES / judge, config]
        done = subprocess.run(words, env=clean_environment(**QUIET), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_litellm_serves_every_role_of_the_plan(bundled_tree: Path) -> None:
    if not (VALIDATORS / ".installed").exists():
        pytest.skip("no .venv-validators: run `make .venv-validators/.installed`")
    words = [VALIDATORS / "bin" / "python", JUDGES / "litellm_judge.py", bundled_tree / "litellm" / "config.yaml"]
    done = subprocess.run(words, env=clean_environment(**QUIET), capture_output=True, text=True, check=True)
    (groups,) = json.loads(done.stdout.splitlines()[-1])
    plan = json.loads((bundled_tree / "plan.json").read_text(encoding="utf-8"))
    assert groups.keys() == {role["role"] for role in plan["roles"]}


def test_a_failed_apply_leaves_every_byte(stack: Path) -> None:
    applied("rtx-3090", "--stack", "duo.yaml", cwd=stack)
    before = tree(stack)
    for words in (
        ("rtx-9999",),
        ("rtx-3090", "--stack", "duo.yaml", "--vram", "gpu0=64MiB", "--ram", "8GiB", "--headroom", "7GiB"),
        ("rtx-3090", "--stack", "duo.yaml", "--target", "nonesuch"),
        ("rtx-3090", "--stack", "gone.yaml"),
    ):
        done = stackplan("apply", *words, "--out", "tree", cwd=stack)
        assert done.returncode in {1, 3}, (words, done.stderr)
        assert "Traceback" not in done.stderr
        assert tree(stack) == before, words


def test_no_network_is_needed(stack: Path) -> None:
    alone = ["unshare", "--user", "--map-root-user", "--net"]
    if shutil.which("unshare") is None or subprocess.run([*alone, "true"], check=False, capture_output=True).returncode:
        pytest.skip("no network namespaces here")
    words = [*alone, *command("apply", "rtx-3090", "--stack", "duo.yaml", "--out", "tree")]
    done = subprocess.run(words, cwd=stack, env=environment(stack), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    shutil.move(stack / "tree", stack / "offline")
    assert tree(applied("rtx-3090", "--stack", "duo.yaml", cwd=stack)) == tree(stack / "offline")


def test_a_lock_alone_gives_the_same_bytes_without_network_catalog_and_machine(stack: Path) -> None:
    first = applied("rtx-3090", "--stack", "duo.yaml", cwd=stack)
    (stack / "elsewhere").mkdir()
    shutil.copy(first / "stackplan.lock", stack / "elsewhere" / "handed-over.lock")
    alone = ["unshare", "--user", "--map-root-user", "--net"]
    if shutil.which("unshare") is None or subprocess.run([*alone, "true"], check=False, capture_output=True).returncode:
        alone = []  # the network is left, and nobody asks it: nothing below names a server
    words = [*alone, *command("apply", "--lock", "handed-over.lock", "--out", "tree")]
    bare = environment(stack) | {"STACKPLAN_CACHE": str(stack / "no-index")}
    done = subprocess.run(words, cwd=stack / "elsewhere", env=bare, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert tree(stack / "elsewhere" / "tree") == tree(first)
    left = [path.name for path in (stack / "no-index").rglob("*") if not path.name.startswith("classes-")]
    assert left == [], "the catalog was read"


def test_a_lock_is_not_mixed_with_wishes_nor_trusted_when_edited(stack: Path) -> None:
    lock = applied("rtx-3090", "--stack", "duo.yaml", cwd=stack) / "stackplan.lock"
    before = tree(stack)
    mixed = stackplan("apply", "rtx-4090", "--lock", lock, "--out", "tree", cwd=stack)
    assert (mixed.returncode, "bad-options" in mixed.stderr) == (1, True)
    assert "no-lock" in stackplan("apply", "--lock", "gone.lock", "--out", "tree", cwd=stack).stderr
    (stack / "edited.lock").write_text(lock.read_text().replace('"slots": 1', '"slots": 2', 1))
    edited = stackplan("apply", "--lock", "edited.lock", "--out", "tree", cwd=stack)
    assert (edited.returncode, "lock-unreadable" in edited.stderr) == (1, True)
    (stack / "edited.lock").unlink()
    assert tree(stack) == before


def killed_at_random(folder: Path, times: int) -> set[str]:
    """Kill `apply` again and again while it turns one tree into another; which trees were found afterwards."""
    wanted = {}
    for name, port in (("old", "9001"), ("new", "9002")):
        started = time.monotonic()
        applied("rtx-3090", "--stack", "duo.yaml", "--set", f"worker.port={port}", cwd=folder)
        wanted[name] = (port, digest(folder / "tree"), time.monotonic() - started)
    assert wanted["old"][1] != wanted["new"][1]
    rng, found, known = random.Random(0), set(), {shot: name for name, (_, shot, _) in wanted.items()}  # noqa: S311
    for number in range(times):
        port, _, seconds = wanted["old" if number % 2 else "new"]
        words = command("apply", "rtx-3090", "--stack", "duo.yaml", "--set", f"worker.port={port}", "--out", "tree")
        process = subprocess.Popen(
            words, cwd=folder, env=environment(folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(seconds * rng.uniform(0.6, 1.05))
        process.send_signal(signal.SIGKILL)
        process.wait()
        left = digest(folder / "tree")
        assert left in known, f"kill {number} left a mixture"
        found.add(known[left])
    applied("rtx-3090", "--stack", "duo.yaml", "--set", "worker.port=9001", cwd=folder)
    assert digest(folder / "tree") == wanted["old"][1]
    return found


def digest(folder: Path) -> str:
    told = hashlib.sha256()
    for name, content in tree(folder).items():
        told.update(f"{name}\0{len(content)}\0".encode() + content)
    return told.hexdigest()


def test_a_kill_at_any_moment_leaves_the_old_tree_or_the_new_one(stack: Path) -> None:
    assert killed_at_random(stack, 8) <= {"old", "new"}


@pytest.mark.slow
def test_fifty_kills_leave_the_old_tree_or_the_new_one(stack: Path) -> None:
    assert killed_at_random(stack, 50) == {"old", "new"}


HOSTILE = (
    "$(touch owned)",
    "`touch owned`",
    "x; touch owned",
    "../../owned",
    "a\\nprivileged: true",
    "${LITELLM_MASTER_KEY}",
    "{{ 7*7 }}",
    "\\u001b[31mred",
)
PROGRAMS = {".sh", ".ps1", ".yaml", ".toml", ".ini", ".service", ".container", ".plist", ".conf"}
MODEL = """family: mine
about: "Mine."
models:
  - id: mine-3b
    name: "{name}"
    lineage: mine
    released: 2026-01
    repository: "{repository}"
    licence: {{id: MIT, name: MIT, commercial: true, gated: false}}
    context_tokens: 65536
    tokenizer: {{family: llama3-bpe, vocabulary: 128256}}
    inputs: [text]
    suits: [worker]
    thinking: none
    parameters: 3075098624
    active_parameters: 3075098624
    architecture:
      name: smollm3
      block_count: 36
      context_length: 65536
      embedding_length: 2048
      feed_forward_length: 11008
      attention.head_count: 16
      attention.head_count_kv: 4
      attention.key_length: 128
      attention.value_length: 128
      vocab_size: 128256
      tied_embeddings: true
    artifacts:
      - format: gguf
        repository: "{repository}"
        file: "{file}"
        published_gib: {{Q4_K_M: 1.8}}
    date: 2026-11-01
    sources: {{identity: "here", parameters: "here", context: "here", licence: "here", architecture: "here"}}
"""
MINE = "title: Mine\nroles:\n  - {role: worker, model: mine-3b, engine: llama.cpp, quality_floor: 0}\n"


def try_model(folder: Path, **words: str) -> subprocess.CompletedProcess[str]:
    given = {"name": "Mine", "repository": "me/mine-GGUF", "file": "mine-{quantisation}.gguf", **words}
    (folder / "cat" / "models").mkdir(parents=True, exist_ok=True)
    (folder / "cat" / "models" / "mine.yaml").write_text(MODEL.format(**given), encoding="utf-8")
    (folder / "mine.yaml").write_text(MINE, encoding="utf-8")
    return stackplan("apply", "rtx-3090", "--catalog", "cat", "--stack", "mine.yaml", "--out", "tree", cwd=folder)


def test_a_model_of_the_users_own_is_planned(tmp_path: Path) -> None:
    done = try_model(tmp_path)
    assert done.returncode == 0, done.stderr
    assert "mine-3b" in (tmp_path / "tree" / "plan.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("field", ["name", "repository", "file"])
@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_are_refused_or_inert(field: str, text: str, tmp_path: Path) -> None:
    done = try_model(tmp_path, **{field: text if field != "file" else text + "-{quantisation}.gguf"})
    assert "Traceback" not in done.stderr
    assert "\x1b[31m" not in done.stdout + done.stderr
    if done.returncode:
        assert done.stderr.startswith("error[bad-yaml]: ")
        assert re.search(rf"mine\.yaml:\d+: models\.0\.(artifacts\.0\.)?{field}: ", done.stderr), done.stderr
        assert not (tmp_path / "tree").exists()
        return
    assert field == "name"  # words for people may be anything, but no program gets to read them
    readers = [path for path in (tmp_path / "tree").rglob("*") if path.suffix in PROGRAMS]
    assert readers
    assert not [path for path in readers if text in path.read_text(encoding="utf-8")]
    assert not list(tmp_path.rglob("owned*"))
    assert {path.name for path in tmp_path.iterdir()} - {"cat", "mine.yaml", "tree", "config"} == set()
