"""Processes and what they hold: recorded maps, this very process, and drivers' tables."""

import json
import mmap
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stackplan.hardware import Backend
from stackplan.render.servers import servers
from stackplan.units import KIB, MIB
from stackplan.verify.device_memory import amd_held, by_card, device_memory
from stackplan.verify.memory_map import host_bytes
from stackplan.verify.observation import Heard, ModelSeen, ServerSeen
from stackplan.verify.processes import Machine, Process, machine, memory_seen, processes_of
from tests.render.plans import PLANS, card

STACK = 8 * MIB
# From llama-server b11434 on Linux 6: a weight file, the program, a cache, a thread's stack above its guard, a heap.
MAP = """\
55d5542a2000-55d5542b2000 r-xp 00000000 08:01 1234                       /usr/local/bin/llama-server
Size:                 64 kB
Rss:                  48 kB
7f0000000000-7f0005000000 r--s 00000000 08:01 5678                       /models/a-Q4_K_M.gguf
Size:              81920 kB
Rss:               40960 kB
7f1000000000-7f100c000000 rw-p 00000000 00:00 0
Size:             196608 kB
Rss:                 128 kB
7f2000000000-7f2000001000 ---p 00000000 00:00 0
Size:                  4 kB
Rss:                   0 kB
7f2000001000-7f2000801000 rw-p 00000000 00:00 0
Size:               8192 kB
Rss:                  64 kB
7f3000000000-7f3000021000 rw-p 00000000 00:00 0
Size:                132 kB
Rss:                  20 kB
7f3000021000-7f3004000000 ---p 00000000 00:00 0
Size:              65404 kB
Rss:                   0 kB
7ffec8be0000-7ffec8c02000 rw-p 00000000 00:00 0                          [stack]
Size:                136 kB
Rss:                  24 kB
""".splitlines()


def test_a_map_is_told_by_what_memory_is_for() -> None:
    held = host_bytes(MAP, STACK)
    assert held.mapped_bytes == 80 * MIB
    assert held.program_bytes == 48 * KIB
    assert held.allocated_bytes == 192 * MIB + (64 + 132 + 24) * KIB  # stacks by what is used, the rest whole
    assert held.resident_bytes == (48 + 40960 + 128 + 64 + 20 + 24) * KIB


@pytest.mark.parametrize("lines", [[], ["garbage"], ["Rss: 4 kB"], ["zz-yy rw-p", "Rss: x kB"], ["\0" * 100]])
def test_a_map_that_is_none_holds_nothing(lines: list[str]) -> None:
    held = host_bytes(lines, STACK)
    assert (held.allocated_bytes, held.mapped_bytes, held.resident_bytes) == (0, 0, 0)


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="no memory maps of processes on this system")
def test_memory_that_this_process_takes_is_seen(tmp_path: Path) -> None:
    size = 64 * MIB
    before = host_bytes(Path("/proc/self/smaps").read_text().splitlines(), STACK)
    (tmp_path / "weights").write_bytes(bytes(size))
    with (tmp_path / "weights").open("rb") as file, mmap.mmap(file.fileno(), 0, mmap.MAP_SHARED, mmap.PROT_READ):
        taken = mmap.mmap(-1, size, mmap.MAP_PRIVATE)  # never touched
        after = host_bytes(Path("/proc/self/smaps").read_text().splitlines(), STACK)
        taken.close()
    assert after.mapped_bytes - before.mapped_bytes == size
    assert after.allocated_bytes - before.allocated_bytes == pytest.approx(
        size, abs=8 * MIB
    )  # reading the map takes some too


ROUTER = {
    10: Process(10, 1, ("llama-server", "--port", "8001", "--models-preset", "warm.ini")),
    11: Process(11, 10, ("llama-server", "--alias", "maths-7b")),
    12: Process(12, 10, ("llama-server", "--alias", "eye-4b")),
    13: Process(13, 12, ("helper",)),
    99: Process(99, 1, ("editor", "maths-7b")),
}
PLAN = PLANS["single-24gb"]


def warm_router() -> tuple[object, int]:
    (one,) = [one for one in servers(PLAN) if one.is_router]
    return one, one.port


def test_members_of_a_router_are_told_apart_by_their_command_lines() -> None:
    (router,) = [one for one in servers(PLAN) if one.is_router]
    there = Machine(ROUTER, {router.port: 10})
    assert processes_of(router, ModelSeen("maths-7b", marker="maths-7b"), there) == (11,)
    assert processes_of(router, ModelSeen("eye-4b", marker="eye-4b"), there) == (12, 13)
    assert processes_of(router, ModelSeen("eye-4b"), there) == ()  # without a word nobody can tell


def test_a_server_with_one_model_is_its_whole_tree() -> None:
    one = next(one for one in servers(PLAN) if one.id == "giant-120b")
    tree = {
        20: Process(20, 1, ("vllm", "serve", "giant-120b")),
        21: Process(21, 20, ("worker",)),
        22: Process(22, 21, ("worker",)),
    }
    assert processes_of(one, ModelSeen("giant-120b", marker="giant-120b"), Machine(tree, {one.port: 20})) == (
        20,
        21,
        22,
    )


def test_in_a_container_a_process_is_found_by_its_words() -> None:
    one = next(one for one in servers(PLAN) if one.id == "giant-120b")
    model = ModelSeen("giant-120b", marker="giant-120b")
    inside = {30: Process(30, 29, ("llama-server", "--alias", "giant-120b")), 31: Process(31, 1, ("docker-proxy",))}
    assert processes_of(one, model, Machine(inside, {})) == (30,)
    assert processes_of(one, model, Machine(inside, {one.port: 31})) == (30,)  # not the proxy that listens
    twice = inside | {32: Process(32, 1, ("llama-server", "--alias", "giant-120b"))}
    assert processes_of(one, model, Machine(twice, {})) == ()


def test_this_process_is_seen_on_this_machine() -> None:
    assert os.getpid() in machine().processes


def test_a_process_that_is_gone_is_told_and_not_raised() -> None:
    one = next(one for one in servers(PLAN) if one.id == "giant-120b")
    there = Machine({2**30: Process(2**30, 1, ("llama-server",))}, {one.port: 2**30})
    told = ServerSeen(one.id, Heard.ANSWERED, models=(ModelSeen("giant-120b", loaded=True),))
    (held,) = memory_seen(PLAN, one, told, there, None)
    assert (held.host, held.devices) == (None, None)
    assert held.problem


def test_cards_are_found_by_uuid_else_by_their_order() -> None:
    told = {"GPU-a": {1: 5 * MIB}, "GPU-b": {2: None}}
    assert by_card([card(0, uuid="GPU-b"), card(1, uuid="GPU-a")], told) == {"gpu0": {2: None}, "gpu1": {1: 5 * MIB}}
    assert by_card([card(0), card(1)], told) == {"gpu0": {1: 5 * MIB}, "gpu1": {2: None}}
    assert by_card([card(0, uuid="GPU-gone")], told) == {}


def test_nvidias_library_tells_bytes_by_card_and_process(tmp_path: Path) -> None:
    """Through the real binding, against a C library with the driver's interface."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("needs a C compiler on Linux")
    source = Path(__file__).parents[1] / "detect" / "fake_nvml.c"
    subprocess.run([compiler, "-shared", "-fPIC", "-w", "-o", tmp_path / "libnvidia-ml.so.1", source], check=True)
    question = "import json; from stackplan.detect.nvml import process_bytes; print(json.dumps(process_bytes()))"
    environment = {**os.environ, "LD_LIBRARY_PATH": str(tmp_path)}
    told = subprocess.run([sys.executable, "-c", question], env=environment, capture_output=True, text=True, check=True)
    held = json.loads(told.stdout)
    assert list(held["GPU-1"].values()) == [2 * 1024 * MIB]
    assert set(held) >= {"GPU-1", "MIG-9"}


def test_amds_kernel_driver_tells_bytes_by_process(tmp_path: Path) -> None:
    for node, number in (("0", "0"), ("1", "51234"), ("2", "60000")):  # node 0 is the CPU
        (tmp_path / "topology/nodes" / node).mkdir(parents=True)
        (tmp_path / "topology/nodes" / node / "gpu_id").write_text(f"{number}\n")
    (tmp_path / "proc/77").mkdir(parents=True)
    (tmp_path / "proc/77/vram_51234").write_text("1048576\n")
    (tmp_path / "proc/77/vram_60000").write_text("what?\n")
    cards = [card(0, Backend.ROCM), card(1, Backend.ROCM)]
    assert amd_held(cards, tmp_path) == {"gpu0": {77: MIB}, "gpu1": {77: None}}
    assert amd_held(cards, tmp_path / "nothing") == {}


def test_without_cards_there_is_nothing_to_tell() -> None:
    assert device_memory(PLANS["cpu-only"]) == {}
