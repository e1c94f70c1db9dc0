"""Compose files are read by docker compose itself; what it lets pass is checked here."""

from pathlib import Path

import pytest
import yaml
from tests.render.conftest import PLACEHOLDERS, run, write
from tests.render.plans import PLANS, apple_unified, dual_24gb, jetson, mixed_devices, single_24gb

from stackplan.errors import UserError
from stackplan.plan import Plan
from stackplan.render import render_plan
from stackplan.render.names import check_image
from stackplan.render.overlays import compose_files
from stackplan.values import replace

CONTAINED = sorted(name for name in PLANS if name != "apple-unified")
RESTART_VALUES = {"no", "always", "on-failure", "unless-stopped"}


@pytest.fixture(params=CONTAINED)
def contained(request: pytest.FixtureRequest) -> Plan:
    return PLANS[request.param]


def accepts(binary: Path, folder: Path, *files: str) -> tuple[int, str]:
    words = [word for file in files for word in ("-f", file)]
    done = run(binary, *words, "--profile", "*", "config", "-q", cwd=folder, **PLACEHOLDERS)
    return done.returncode, done.stderr


def documents(plan: Plan) -> list[dict]:
    files = render_plan(plan, ["compose"])
    return [yaml.safe_load(files[name]) for name in compose_files(plan)]


def test_docker_compose_accepts_base_and_overlays(contained: Plan, compose_binary: Path, tmp_path: Path) -> None:
    write(tmp_path, render_plan(contained, ["compose"]))
    assert accepts(compose_binary, tmp_path, *compose_files(contained)) == (0, "")


def test_docker_compose_accepts_the_base_alone(contained: Plan, compose_binary: Path, tmp_path: Path) -> None:
    write(tmp_path, render_plan(contained, ["compose"]))
    assert accepts(compose_binary, tmp_path, "compose.yaml") == (0, "")


def test_docker_compose_accepts_a_stack_of_nothing_but_the_gateway(compose_binary: Path, tmp_path: Path) -> None:
    empty = replace(single_24gb(), instances=(), roles=(), artifacts=(), engines=(), fallbacks=())
    write(tmp_path, render_plan(empty, ["compose"]))
    assert accepts(compose_binary, tmp_path, *compose_files(empty)) == (0, "")


def test_the_judge_refuses_a_broken_file(compose_binary: Path, tmp_path: Path) -> None:
    text = render_plan(single_24gb(), ["compose"])["compose.yaml"].replace("healthcheck:", "healthczech:", 1)
    status, message = accepts(compose_binary, write(tmp_path, {"compose.yaml": text}), "compose.yaml")
    assert status != 0
    assert "healthczech" in message


def test_the_stack_does_not_start_without_a_gateway_key(compose_binary: Path, tmp_path: Path) -> None:
    write(tmp_path, render_plan(single_24gb(), ["compose"]))
    others = {name: value for name, value in PLACEHOLDERS.items() if name != "LITELLM_MASTER_KEY"}
    done = run(compose_binary, "-f", "compose.yaml", "config", "-q", cwd=tmp_path, **others)
    assert done.returncode != 0
    assert "LITELLM_MASTER_KEY" in done.stderr


def test_every_file_that_compose_mounts_is_rendered_with_it(contained: Plan) -> None:
    files = render_plan(contained, ["compose"])
    mounted = {
        mount["source"].removeprefix("./")
        for service in documents(contained)[0]["services"].values()
        for mount in service.get("volumes", [])
        if mount["source"].startswith("./")
    }
    assert mounted <= files.keys()


def test_ports_are_on_loopback_and_taken_once(contained: Plan) -> None:
    ports = [port for service in documents(contained)[0]["services"].values() for port in service["ports"]]
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert len(ports) == len({port.split(":")[1] for port in ports})
    planned = {str(instance.port) for instance in contained.instances} | {str(contained.gateway_port)}
    assert {port.split(":")[1] for port in ports} == planned


def test_images_are_pinned_and_containers_held_short(contained: Plan) -> None:
    for document in documents(contained):
        for service in document["services"].values():
            if "image" in service:
                check_image(service["image"])
    for service in documents(contained)[0]["services"].values():
        assert service["restart"] in RESTART_VALUES
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["logging"]["options"]["max-size"]
        assert "test" in service["healthcheck"]


def test_tiers_are_profiles_and_hot_has_none() -> None:
    services = documents(single_24gb())[0]["services"]
    assert "profiles" not in services["worker-32b"]
    assert services["giant-120b"]["profiles"] == ["cold"]
    assert services["warm-gpu0"]["profiles"] == ["warm"]


def test_the_warm_profile_starts_one_server_of_a_swap_group() -> None:
    plan = single_24gb()
    services = documents(plan)[0]["services"]
    assert services["warm-gpu0"]["profiles"] == ["warm"]
    assert services["coder-7b"]["profiles"] == ["warm-coder-7b"]  # another engine: nothing makes the two take turns
    assert services["warm-gpu0"]["command"][-2:] == ["--models-max", "1"]


def test_cards_are_reserved_by_identity_as_text() -> None:
    _, overlay = documents(dual_24gb())
    (reserved,) = overlay["services"]["big-70b"]["deploy"]["resources"]["reservations"]["devices"]
    assert reserved["device_ids"] == ["0", "1"]
    assert reserved["capabilities"] == ["gpu"]
    assert "count" not in reserved


def test_hot_ollama_models_with_equal_settings_share_a_server_sized_for_all() -> None:
    services = documents(dual_24gb())[0]["services"]
    assert services["ollama-hot"]["environment"]["OLLAMA_MAX_LOADED_MODELS"] == "2"
    assert services["ollama-hot"]["ports"] == ["127.0.0.1:8202:11434", "127.0.0.1:8203:11434"]


def test_each_vendor_has_its_overlay_with_its_image() -> None:
    _, amd, nvidia = documents(mixed_devices())
    assert amd["services"]["red-8b"]["image"].endswith("server-rocm-b11434")
    assert "/dev/kfd:/dev/kfd" in amd["services"]["red-8b"]["devices"]
    assert nvidia["services"].keys() == {"green-8b"}


def test_a_tegra_module_gets_the_runtime_and_no_reservation() -> None:
    _, overlay = documents(jetson())
    assert overlay["services"]["chat-8b"]["runtime"] == "nvidia"
    assert "deploy" not in overlay["services"]["chat-8b"]


def test_containers_are_refused_where_docker_has_no_gpu() -> None:
    with pytest.raises(UserError, match="no GPU on macOS"):
        render_plan(apple_unified(), ["compose"])


def test_vllm_takes_the_planned_share_and_no_more() -> None:
    services = documents(PLANS["services"])[0]["services"]
    command = services["generator-14b"]["command"]
    demand, pool = PLANS["services"].instances[0].demand[0], PLANS["services"].host.pools[1]
    share = float(command[command.index("--gpu-memory-utilization") + 1])
    assert 0 <= share * pool.capacity_bytes - demand.total_bytes < pool.capacity_bytes / 10_000
    assert command[command.index("--max-num-seqs") + 1] == "8"
