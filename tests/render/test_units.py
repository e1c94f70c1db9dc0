"""systemd, launchd and Quadlet units: one per server, read by their own parsers where those can run."""

import plistlib
import re
import shlex
import shutil
from pathlib import Path

import pytest
from tests.render.conftest import run, write
from tests.render.plans import apple_unified, single_24gb

from stackplan.errors import UserError
from stackplan.plan import Plan
from stackplan.render import render_plan
from stackplan.render.servers import servers

# Keys of podman-systemd.unit(5), Podman 5, [Container] section, as far as stackplan writes them.
QUADLET_KEYS = {
    "AddDevice", "ContainerName", "DropCapability", "Environment", "EnvironmentFile", "Exec", "HealthCmd", "Image",
    "Network", "NoNewPrivileges", "PublishPort", "ReadOnly", "ShmSize", "Tmpfs", "Volume", "WorkingDir",
}  # fmt: skip


def test_systemd_reads_every_unit_without_a_word(plan: Plan, tmp_path: Path) -> None:
    """It ends with 0 whatever it finds; what counts is that stderr is empty."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze here")
    files = render_plan(plan, ["systemd"])
    units = {
        path: text.replace("%h", str(tmp_path)) for path, text in files.items() if path.startswith("systemd/stackplan-")
    }
    write(tmp_path, units)
    names = [str(tmp_path / path) for path in sorted(units)]
    done = run(analyze, "verify", "--man=no", *names, SYSTEMD_UNIT_PATH=f"{tmp_path}/systemd:/lib/systemd/system")
    assert (done.returncode, done.stderr) == (0, "")


def test_systemd_analyze_complains_of_an_unknown_key(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze here")
    files = render_plan(single_24gb(), ["systemd"])
    name = "stackplan-server-worker-32b.service"
    write(tmp_path, {name: files[f"systemd/{name}"].replace("RestartSec=", "RestartSecs=")})
    assert "RestartSecs" in run(analyze, "verify", "--man=no", tmp_path / name).stderr


def test_there_is_a_unit_for_every_server(plan: Plan) -> None:
    files = render_plan(plan, ["systemd", "launchd"])
    for server in servers(plan):
        assert f"systemd/stackplan-server-{server.id}.service" in files
        assert f"launchd/org.stackplan.{server.id}.plist" in files


def test_restarts_are_bounded_and_servers_get_no_key(plan: Plan) -> None:
    for path, text in render_plan(plan, ["systemd"]).items():
        if path.endswith(".service"):
            assert "Restart=on-failure" in text
            assert "StartLimitBurst=5" in text
            assert "NoNewPrivileges=yes" in text
            assert ("gateway.env" in text) == path.endswith("gateway.service")


def test_the_hot_target_starts_hot_servers_and_the_gateway_only() -> None:
    text = render_plan(single_24gb(), ["systemd"])["systemd/stackplan-hot.target"]
    wanted = next(line for line in text.splitlines() if line.startswith("Wants=")).removeprefix("Wants=").split()
    assert wanted == [
        *(f"stackplan-server-{name}.service" for name in ("worker-32b", "guard-1b", "embedder", "reranker")),
        "stackplan-gateway.service",
    ]


def test_agents_are_property_lists_whose_shell_line_is_one_command(plan: Plan) -> None:
    files = {path: text for path, text in render_plan(plan, ["launchd"]).items() if path.endswith(".plist")}
    assert len(files) == len(servers(plan)) + 1
    for path, text in files.items():
        document = plistlib.loads(text.encode())
        assert f"launchd/{document['Label']}.plist" == path
        assert document["ProgramArguments"][:2] == ["/bin/sh", "-c"]
        assert run("sh", "-n", "-c", document["ProgramArguments"][2]).stderr == ""
        assert all(isinstance(value, str) for value in document["EnvironmentVariables"].values())


def test_hot_agents_start_at_login_and_others_do_not() -> None:
    files = render_plan(apple_unified(), ["launchd"])
    starts = {
        path: plistlib.loads(text.encode())["RunAtLoad"] for path, text in files.items() if path.endswith(".plist")
    }
    assert starts == {
        "launchd/org.stackplan.chat-30b-a3b.plist": True,
        "launchd/org.stackplan.gateway.plist": True,
        "launchd/org.stackplan.giant-70b.plist": False,
        "launchd/org.stackplan.tiny-1b.plist": True,
    }


def test_quadlet_units_use_known_keys_and_the_images_of_compose() -> None:
    plan = single_24gb()
    files = render_plan(plan, ["quadlet"])
    for path, text in files.items():
        if path.endswith(".container"):
            section = text.split("[Container]")[1].split("[Service]")[0]
            assert set(re.findall(r"^([A-Za-z]+)=", section, re.MULTILINE)) <= QUADLET_KEYS
    worker = files["quadlet/stackplan-worker-32b.container"]
    assert "Image=ghcr.io/ggml-org/llama.cpp:server-cuda-b11434" in worker
    assert "AddDevice=nvidia.com/gpu=GPU-11111111-2222-3333-4444-555555555555" in worker
    assert "PublishPort=127.0.0.1:8101:8080" in worker
    command = next(line for line in worker.splitlines() if line.startswith("Exec=")).removeprefix("Exec=")
    assert "--ctx-size 32768" in " ".join(shlex.split(command))


def test_quadlet_is_refused_where_containers_see_no_gpu() -> None:
    with pytest.raises(UserError, match="no GPU on macOS"):
        render_plan(apple_unified(), ["quadlet"])


def test_installers_pass_shellcheck(shellcheck: Path, tmp_path: Path) -> None:
    files = render_plan(single_24gb(), ["systemd", "launchd"])
    write(tmp_path, {path: text for path, text in files.items() if path.endswith("install.sh")})
    done = run(shellcheck, *sorted(tmp_path.rglob("*.sh")))
    assert done.stdout == ""


def test_the_systemd_installer_writes_this_machines_paths(tmp_path: Path) -> None:
    deploy = write(tmp_path / "deploy", render_plan(single_24gb(), ["systemd"]))
    fake = write(tmp_path / "bin", {"systemctl": '#!/bin/sh\necho "$@" >>"$HOME/calls"\n'})
    (fake / "systemctl").chmod(0o755)
    done = run("bash", deploy / "systemd/install.sh", HOME=str(tmp_path), PATH=f"{fake}:/usr/bin:/bin")
    assert done.returncode == 0, done.stderr
    units = tmp_path / ".config/systemd/user"
    assert f'STACKPLAN_DEPLOY={deploy}"' in (units / "stackplan-.service.d/paths.conf").read_text()
    assert (units / "stackplan-server-worker-32b.service").exists()
    assert (tmp_path / "calls").read_text().splitlines() == [
        "--user daemon-reload",
        "--user enable stackplan-hot.target",
    ]
