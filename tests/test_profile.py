"""Named machines: the bundled profiles, devices on the fly, the user's own files, and mistakes in them."""

import json
from dataclasses import fields
from pathlib import Path

import pytest

from stackplan.detect import detect_host
from stackplan.device_catalog_schema import HardwareFile
from stackplan.device_catalog_yaml import load_device_catalog
from stackplan.errors import UserError
from stackplan.hardware import Backend, PoolKind
from stackplan.host_difference import host_differences
from stackplan.profile import load_profile, profile_files, read_profile, save_profile
from stackplan.profile_schema import PolicySchema
from stackplan.stack import Policy
from stackplan.strict_yaml import parse_yaml
from stackplan.units import GIB, MIB
from stackplan.values import replace
from stackplan.yaml_schema import checked

BUNDLED = {
    # profile -> (pool, MiB that the driver reports; facts of 2026-11)
    "rtx-3060-12gb": ("gpu0", 12288),
    "rtx-4060-ti-16gb": ("gpu0", 16380),
    "rtx-4080-super": ("gpu0", 16376),
    "rtx-5080": ("gpu0", 16303),
    "rtx-3090": ("gpu0", 24576),
    "rtx-3090-ti": ("gpu0", 24564),
    "rtx-4090": ("gpu0", 24564),
    "rtx-5090": ("gpu0", 32607),
    "rtx-a6000-48gb": ("gpu0", 49140),
    "dual-rtx-3090": ("gpu1", 24576),
    "jetson-agx-orin-32gb": ("unified", 30536),
    "apple-m4-max-64gb": ("unified", 53084),
    "epyc-512gb": ("ram", 524288),
    "cpu-only": ("ram", 32768),
}


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own folder of profiles."""
    monkeypatch.setenv("STACKPLAN_CONFIG", str(tmp_path))
    (tmp_path / "profiles").mkdir()
    return tmp_path / "profiles"


def _refused(name: str, **options: int) -> UserError:
    with pytest.raises(UserError) as caught:
        load_profile(name, **options)
    return caught.value


@pytest.mark.parametrize(("name", "pool_id", "mib"), [(name, *facts) for name, facts in BUNDLED.items()])
def test_bundled_profile_has_the_memory_that_its_driver_reports(name: str, pool_id: str, mib: int) -> None:
    host = load_profile(name).host
    assert host.pool(pool_id).capacity_bytes // MIB == mib
    assert host.id == name


def test_every_wanted_profile_is_bundled() -> None:
    assert set(BUNDLED) <= set(profile_files())


def test_two_cards_are_two_pools_of_24() -> None:
    host = load_profile("dual-rtx-3090").host
    assert [pool.id for pool in host.pools] == ["gpu0", "gpu1", "ram"]
    assert [gpu.pool for gpu in host.gpus] == ["gpu0", "gpu1"]


def test_the_server_keeps_430_gb_for_models() -> None:
    host = load_profile("epyc-512gb").host
    assert host.gpus == ()
    assert host.host_pool.budget_bytes == 430 * 10**9


@pytest.mark.parametrize("name", ["jetson-agx-orin-32gb", "apple-m4-max-64gb"])
def test_a_unified_machine_has_one_pool_that_cpu_and_gpu_share(name: str) -> None:
    host = load_profile(name).host
    assert [pool.kind for pool in host.pools] == [PoolKind.UNIFIED]
    assert host.cpu_device.pool == host.gpus[0].pool == "unified"


def test_every_line_of_a_budget_has_a_name_and_a_reason() -> None:
    for name in profile_files():
        for pool in load_profile(name).host.pools:
            assert all(line.name and line.note and line.bytes >= 0 for line in pool.reserved)
            assert 0 < pool.budget_bytes <= pool.capacity_bytes


@pytest.mark.parametrize("facts", load_device_catalog().devices, ids=lambda facts: facts.id)
def test_every_device_of_the_hardware_catalog_is_a_profile(facts) -> None:
    host = load_profile(facts.id).host
    assert host.host_pool.budget_bytes > 0
    if facts.vendor != "cpu":
        assert host.gpus[0].catalog_id == facts.id
        assert host.gpus[0].bandwidth_bytes_per_second == facts.bandwidth_bytes_per_second


@pytest.mark.parametrize(
    ("name", "pools"),
    [
        ("rtx-5070-ti", {"gpu0": 16303}),
        ("2x rtx-3090", {"gpu0": 24576, "gpu1": 24576}),
        ("2X RTX-3090", {"gpu0": 24576, "gpu1": 24576}),
        ("3xrtx-3060", {"gpu2": 12288}),
        ("rtx-5090 + 2x rtx-3090", {"gpu0": 32607, "gpu1": 24576, "gpu2": 24576}),
        ("m4-max-64gb", {"unified": 53084}),
        ("m4-max-128gb", {"unified": 110100}),
        ("apple-m3-ultra-256gb", {"unified": 220200}),
        ("h100-80gb/mig-3g.40gb", {"gpu0": 40448}),
        ("dgx-spark-gb10", {"unified": 124610}),
    ],
)
def test_devices_on_the_fly(name: str, pools: dict[str, int]) -> None:
    host = load_profile(name).host
    assert {pool: host.pool(pool).capacity_bytes // MIB for pool in pools} == pools


def test_of_chips_with_one_name_the_slower_is_taken() -> None:
    host = load_profile("m3-max-48gb").host
    assert host.gpus[0].catalog_id == "m3-max-40c"  # the 30-core chip was never sold with 48 GB
    assert load_profile("m3-max-36gb").host.gpus[0].catalog_id == "m3-max-30c"


def test_host_memory_can_be_given() -> None:
    assert load_profile("rtx-5070-ti", ram_bytes=64 * GIB).host.pool("ram").capacity_bytes == 64 * GIB
    assert load_profile("rtx-3090", ram_bytes=16 * GIB).host.pool("ram").capacity_bytes == 16 * GIB


def test_assumed_host_memory_is_said() -> None:
    notes = load_profile("rtx-5070-ti").host.notes
    assert any("host memory assumed" in note and "--ram" in note for note in notes)


@pytest.mark.parametrize("size", [0, -1])
def test_host_memory_must_be_positive(size: int) -> None:
    assert _refused("rtx-3090", ram_bytes=size).slug == "bad-size"


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("rtx3090", "rtx-3090"), ("rtx-3090ti", "rtx-3090-ti"), ("m4max-64gb", "m4-max"), ("cpu_only", "cpu-only")],
)
def test_an_unknown_name_lists_the_nearest(name: str, nearest: str) -> None:
    error = _refused(name)
    assert error.slug == "unknown-profile"
    assert nearest in error.hint


@pytest.mark.parametrize(
    "name", ["", " ", "+", "x" * 100_000, "0x rtx-3090", "../../etc/passwd", "a/b/c", "\0", "99999x a"]
)
def test_odd_names_are_refused_in_one_line(name: str) -> None:
    error = _refused(name)
    assert "\n" not in error.message
    assert len(error.message) < 300


@pytest.mark.parametrize("name", ["65x rtx-3090", "2x m4-max-64gb", "dgx-spark-gb10+rtx-3090"])
def test_machines_that_nobody_can_build_are_refused(name: str) -> None:
    assert _refused(name).slug in ("bad-count", "unified-combined")


def test_the_users_own_profile_wins(own_folder: Path) -> None:
    (own_folder / "rtx-3090.yaml").write_text("schema: 1\ntitle: mine\nhost: {ram: {capacity: 8GiB}}\n")
    assert load_profile("rtx-3090").title == "mine"


def test_policy_and_lines_of_a_profile(own_folder: Path) -> None:
    (own_folder / "box.yaml").write_text(
        "schema: 1\n"
        "host:\n"
        "  ram: {capacity: 64GiB, bandwidth_gb_per_second: 83.2, source: measured}\n"
        "  devices:\n"
        "  - {device: rtx-3090, desktop: 900MiB, reserved: [{name: headroom, size: 1GiB}]}\n"
        "  disk: {capacity: 1TB, free: 500GB, kind: nvme}\n"
        "stack: coding\n"
        "policy: {commercial: true, headroom: 256MiB, kv_types: [f16], vram_override: {gpu0: 20GiB}}\n"
    )
    profile = load_profile("box")
    lines = {line.name: line.bytes for line in profile.host.pool("gpu0").reserved}
    assert (lines["headroom"], lines["desktop"]) == (GIB, 900 * MIB)
    assert profile.stack == "coding"
    assert profile.policy == Policy(
        commercial=True, headroom_bytes=256 * MIB, kv_types=("f16",), vram_override_bytes={"gpu0": 20 * GIB}
    )
    assert profile.host.disk.free_bytes == 500 * 10**9
    assert profile.host.cpu.bandwidth_bytes_per_second == 83_200_000_000


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", ":1: must be fields with values"),
        ("- a\n- b\n", ":1: must be fields with values"),
        ("schema: 1\n", "host"),
        ("schema: 2\nhost: {ram: {capacity: 8GiB}}\n", ":1: schema"),
        ("schema: 1\nhost:\n  ram: {capacity: 0}\n", ":3: host.ram.capacity"),
        ("schema: 1\nhost:\n  ram: {capacity: -8GiB}\n", ":3: host.ram.capacity"),
        ("schema: 1\nhost:\n  ram: {capacity: lots}\n", ":3: host.ram.capacity"),
        ("schema: 1\nhost:\n  ram: {capacity: 8GiB}\n  gpu: x\n", ":4: host.gpu: unknown field"),
        ("schema: 1\nhost:\n  ram: {capacity: 8GiB}\n  devices:\n  - device: rtx-9999\n", ":5: host.devices.0.device"),
        ("schema: 1\nhost:\n  ram: {capacity: 8GiB}\n  devices:\n  - {device: rtx-3090, count: 0}\n", "count"),
        ("schema: 1\nhost:\n  ram: {capacity: 8GiB}\npolicy: {quality_weight: -1}\n", ":4: policy.quality_weight"),
        ("schema: 1\nhost:\n  ram: {capacity: 8GiB}\npolicy: {quality_weight: .nan}\n", "quality_weight"),
        ("schema: 1\nrecorded: {schema: 1}\n", "host:"),
        ("schema: 1\nhost: [\n", "not valid YAML"),
        ("schema: 1\nhost: &a {ram: *a}\n", "anchors"),
        ("!!python/object/apply:os.system [ls]\n", "tag"),
    ],
)
def test_a_mistake_names_file_line_and_field(text: str, told: str, own_folder: Path) -> None:
    path = own_folder / "bad.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        read_profile(path)
    assert told in caught.value.message
    assert "\n" not in caught.value.message


def test_this_machine_is_saved_and_read_back(own_folder: Path) -> None:
    host = detect_host()
    path = save_profile("my-box", host)
    assert path.parent == own_folder
    assert load_profile("my-box").host == replace(host, id="my-box")


def test_saving_twice_needs_force(own_folder: Path) -> None:
    save_profile("my-box", detect_host())
    with pytest.raises(UserError, match="exists"):
        save_profile("my-box", detect_host())
    save_profile("my-box", detect_host(), replace=True)


@pytest.mark.parametrize("name", ["", "../evil", "a/b", "A", "x" * 65, ".hidden", "a b"])
def test_a_profile_is_saved_only_under_a_plain_name(name: str, own_folder: Path) -> None:
    with pytest.raises(UserError) as caught:
        save_profile(name, detect_host())
    assert caught.value.slug == "bad-name"


def test_a_machine_that_differs_from_the_profile_says_so() -> None:
    declared, other = load_profile("dual-rtx-3090").host, load_profile("rtx-3090").host
    assert host_differences(declared, declared) == ()
    assert host_differences(declared, other)[0] == "the profile has 2 x rtx-3090, this machine has 1 x rtx-3090"
    smaller = load_profile("rtx-3090", ram_bytes=16 * GIB).host
    assert host_differences(other, smaller) == ("ram: 64.0 GiB in the profile, 16.0 GiB here",)


def test_an_integrated_gpu_has_no_discrete_backend() -> None:
    assert load_profile("radeon-780m").host.gpus[0].backend is Backend.VULKAN
    assert load_profile("arc-140v").host.gpus[0].backend is Backend.VULKAN
    assert load_profile("arc-b580").host.gpus[0].backend is Backend.SYCL
    assert load_profile("rx-7900-xtx").host.gpus[0].backend is Backend.ROCM


def test_a_profile_that_was_checked_before_reads_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STACKPLAN_CACHE", str(tmp_path))
    for name in profile_files():
        assert load_profile(name) == load_profile(name)
    assert len(list(tmp_path.glob("profile-*.json"))) == len(profile_files())


def test_a_profile_can_set_every_field_of_the_policy_and_no_other(own_folder: Path) -> None:
    """One value for each field that differs from its default; a field that is added must be given one here."""
    written = {
        "id": "mine", "quality_weight": 2.0, "speed_weight": 2.0, "context_weight": 2.0, "tier_weight": 2.0,
        "memory_weight": 2.0, "commercial": True, "allow_split": False, "allow_partial_offload": False,
        "headroom": 2**28, "forbid": ["llama"], "engines": ["ollama"], "kv_types": ["f16"],
        "vram_override": {"gpu0": 2**32}, "prompt_cache": 2**28, "partial": True,
    }  # fmt: skip
    text = json.dumps({"schema": 1, "host": {"ram": {"capacity": "8GiB"}}, "policy": written})
    (own_folder / "box.yaml").write_text(text)
    policy, default = load_profile("box").policy, Policy()
    assert [name.name for name in fields(Policy) if getattr(policy, name.name) == getattr(default, name.name)] == []
    named = {
        "headroom_bytes": "headroom",
        "vram_override_bytes": "vram_override",
        "prompt_cache_bytes": "prompt_cache",
    }
    assert set(PolicySchema.model_fields) == {named.get(one.name, one.name) for one in fields(Policy)}


def test_an_indexed_policy_is_the_written_one(
    own_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STACKPLAN_CACHE", str(tmp_path / "cache"))
    policy = "policy: {forbid: [llama], vram_override: {gpu0: 4GiB}, quality_weight: 2}\n"
    (own_folder / "box.yaml").write_text(f"schema: 1\nhost: {{ram: {{capacity: 8GiB}}}}\n{policy}")
    first = load_profile("box")
    assert first.policy == Policy(forbid=("llama",), vram_override_bytes={"gpu0": 4 * GIB}, quality_weight=2)
    assert load_profile("box") == first


@pytest.mark.parametrize("content", ["", "[]", "{}", "\0", '{"policy": '])
def test_a_broken_index_is_no_index(content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STACKPLAN_CACHE", str(tmp_path))
    whole = load_profile("rtx-3090")
    for path in tmp_path.glob("profile-*.json"):
        path.write_text(content)
    assert load_profile("rtx-3090") == whole


def test_the_examples_of_the_documentation_are_sound(own_folder: Path) -> None:
    text = (Path(__file__).parents[1] / "docs" / "detect.md").read_text(encoding="utf-8")
    hardware, profile = (block.split("```")[0] for block in text.split("```yaml\n")[1:])
    (own_folder / "documented.yaml").write_text(profile)
    assert load_profile("documented").host.pool("gpu1").reserved[-1].name == "desktop"
    document = parse_yaml(hardware.encode(), Path("docs/detect.md"))
    assert checked(document, HardwareFile, "").facts()[0].id == "rtx-3090"
