"""``stackplan check`` on a rendered stack: exit code 2 and a list that people and CI can read."""

import json

import pytest
from tests.download.conftest import Site, content
from tests.download.hub_server import HubServer, sha256
from tests.render.plans import PLANS

from stackplan.hardware import Basis, Host, Reservation
from stackplan.host_json import host_to_json
from stackplan.reservations import HELD_BY_OTHERS
from stackplan.units import GIB
from stackplan.values import replace

QUIET = ("check", "--no-host")


def kinds(site: Site, *words: str) -> list[str]:
    return [one["kind"] for one in site.data(*QUIET, *words)["drift"] if one["kind"] != "model-gone"]


def test_a_locked_stack_agrees_with_its_folder(site: Site) -> None:
    site.run("lock")
    assert kinds(site) == []


def test_a_stack_without_a_lock_is_told_to_make_one(site: Site) -> None:
    done = site.run(*QUIET)
    assert done.returncode == 1
    assert "stackplan lock" in done.stderr


def test_a_file_changed_by_hand_and_one_that_is_gone_are_found(site: Site) -> None:
    site.run("lock")
    compose = site.deploy / "compose.yaml"
    compose.write_text(compose.read_text().replace("127.0.0.1", "0.0.0.0"))  # noqa: S104
    (site.deploy / "routing.json").unlink(missing_ok=True)
    (site.deploy / "litellm" / "config.yaml").unlink()
    found = kinds(site)
    assert "file-changed" in found
    assert "file-missing" in found
    assert site.run(*QUIET).returncode == 2


def test_what_changed_upstream_is_found_when_asked(site: Site, hub: HubServer) -> None:
    site.run("lock")
    hub.repositories["example-org/worker-GGUF"]["README.md"] = b"new words"
    assert kinds(site, "--upstream") == []
    hub.repositories["example-org/worker-GGUF"]["worker-Q4_K_M.gguf"] = fresh = content(2_999_000, 9)
    hub.contents[sha256(fresh)] = fresh
    assert kinds(site, "--upstream") == ["upstream-changed"]
    assert kinds(site) == []


def test_ci_can_read_it(site: Site) -> None:
    site.run("lock")
    (site.deploy / "compose.yaml").write_text("")
    log = site.run(*QUIET, "--format", "github").stdout
    assert "::error file=deploy/compose.yaml,title=file-changed::" in log
    sarif = json.loads(site.run(*QUIET, "--format", "sarif").stdout)
    assert sarif["version"] == "2.1.0"
    (run,) = sarif["runs"]
    assert {one["ruleId"] for one in run["results"]} == {rule["id"] for rule in run["tool"]["driver"]["rules"]}


@pytest.mark.parametrize("output", ["xml", ""])
def test_an_unknown_format_is_refused(site: Site, output: str) -> None:
    assert "bad-format" in site.run(*QUIET, "--format", output).stderr


def test_a_card_that_is_gone_and_memory_that_others_hold_are_found_on_the_machine_described(site: Site) -> None:
    plan = PLANS["dual-24gb"]
    full = tuple(replace(pool, used_bytes=pool.budget_bytes - GIB) for pool in plan.host.pools)
    site.render(replace(plan, host=replace(plan.host, pools=full)))
    site.run("lock", "--offline")
    machine = plan.host.machine
    assert not {"device-gone", "pool-gone", "memory-held"} & set(on(site, machine))
    assert {"device-gone", "pool-gone"} <= set(on(site, without_last_card(machine)))
    held = Reservation(HELD_BY_OTHERS, 4 * GIB, Basis.MEASURED)
    pools = tuple(replace(pool, reserved=(*pool.reserved, held)) for pool in machine.pools)
    assert "memory-held" in on(site, replace(machine, pools=pools))


def without_last_card(machine: Host) -> Host:
    last = machine.gpus[-1]
    return replace(
        machine,
        devices=tuple(device for device in machine.devices if device.id != last.id),
        pools=tuple(pool for pool in machine.pools if pool.id != last.pool),
    )


def on(site: Site, machine: Host) -> list[str]:
    (site.folder / "machine.json").write_text(json.dumps(host_to_json(machine)))
    done = site.run("check", "--host", "machine.json", "--json")
    assert done.returncode == 2, done.stderr
    return [one["kind"] for one in json.loads(done.stdout)["drift"]]


def test_a_plan_that_was_changed_after_locking_has_a_stale_lock(site: Site) -> None:
    site.run("lock")
    plan = json.loads((site.deploy / "plan.json").read_text())
    plan["instances"][0]["context_tokens"] //= 2
    (site.deploy / "plan.json").write_text(json.dumps(plan, indent=2, ensure_ascii=False) + "\n")
    assert "stale-lock" in kinds(site)
