"""What is kept by supervisord: it returns after a crash, stays down after too many, and leaves nothing behind."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from tests.running.conftest import processes

from stackplan.errors import UserError
from stackplan.running import supervisord, supervisord_client
from stackplan.running.leftovers import MARK
from stackplan.running.site import Site, prepare, site_of
from stackplan.running.supervisor import Status
from stackplan.running.units import Unit
from stackplan.running.waiting import answers, wait_until
from stackplan.values import replace

Make = Callable[..., Unit]


def started(site: Site, *units: Unit, keys: dict[str, str] | None = None) -> None:
    supervisord.start(site, units, [unit.id for unit in units], keys or {})
    for unit in units:
        assert wait_until(lambda one=unit: answers(one.address), 20), supervisord.last_lines(site, unit.id, 20)


def pid(site: Site, unit: Unit) -> int:
    return supervisord.states(site)[unit.id].pid


def test_a_killed_unit_returns_and_its_neighbour_never_went(site: Site, unit: Make) -> None:
    one, other = unit("one"), unit("other")
    started(site, one, other)
    first, neighbour = pid(site, one), pid(site, other)
    os.kill(first, signal.SIGKILL)
    assert wait_until(lambda: pid(site, one) not in (0, first) and answers(one.address), 20)
    assert pid(site, other) == neighbour


@pytest.mark.slow
def test_a_unit_that_always_crashes_is_left_alone_after_a_while(site: Site, unit: Make) -> None:
    broken, sound = unit("broken", "print('no such tensor'); raise SystemExit(3)"), unit("sound")
    started(site, sound)
    supervisord.start(site, (broken, sound), ["broken"], {})
    assert wait_until(lambda: supervisord.states(site)["broken"].status is Status.FAILED, 60)
    said = (site.log("broken")).read_text()
    assert said.count("no such tensor") == 6, "the first start and five more"
    assert supervisord.last_lines(site, "broken", 1) == ["no such tensor"]
    assert supervisord.states(site)["sound"].status is Status.RUNNING


def test_keys_reach_the_unit_that_asks_and_no_other_and_no_file(
    site: Site, unit: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    door, server = unit("gateway", keys=("MASTER_KEY",)), unit("server")
    monkeypatch.setenv("UNRELATED_TOKEN", "sk-marker-of-the-user")
    started(site, door, server, keys={"MASTER_KEY": "sk-marker-of-the-gateway"})
    for one in processes(site):
        values = {value for value in one.environ().values() if "sk-marker" in value}
        assert values == ({"sk-marker-of-the-gateway"} if one.environ()[MARK].endswith("/gateway") else set())
        assert "sk-marker" not in " ".join(one.cmdline())
    files = [path for path in site.state.rglob("*") if path.is_file()]
    assert files
    assert not any(b"sk-marker" in path.read_bytes() for path in files)


def test_nobody_else_may_read_what_is_kept(site: Site, unit: Make) -> None:
    started(site, unit("one"))
    assert site.state.stat().st_mode & 0o077 == 0
    assert supervisord.socket_path(site).stat().st_mode & 0o077 == 0


def test_down_ends_children_of_children_too(site: Site, unit: Make) -> None:
    started(site, unit("one"), unit("two"))
    assert len(processes(site)) == 4
    supervisor = int((site.state / "supervisord.pid").read_text())
    supervisord.shut_down(site)
    assert processes(site) == []
    assert wait_until(lambda: not psutil.pid_exists(supervisor), 10)
    supervisord.shut_down(site)  # nothing runs: nothing to do


def test_what_a_killed_supervisor_left_is_ended_before_it_starts_anew(site: Site, unit: Make) -> None:
    one = unit("one")
    started(site, one)
    orphan = pid(site, one)
    os.kill(int((site.state / "supervisord.pid").read_text()), signal.SIGKILL)
    assert wait_until(lambda: not supervisord.is_listening(supervisord.socket_path(site)), 10)
    assert psutil.pid_exists(orphan)
    started(site, one)
    assert wait_until(lambda: not psutil.pid_exists(orphan), 10)
    assert len(processes(site)) == 2


@pytest.mark.slow
def test_down_ends_a_supervisor_that_hangs(site: Site, unit: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisord_client, "ANSWER_SECONDS", 2)
    started(site, unit("one"))
    supervisor = int((site.state / "supervisord.pid").read_text())
    os.kill(supervisor, signal.SIGSTOP)
    supervisord.shut_down(site)
    assert not psutil.pid_exists(supervisor)
    assert processes(site) == []


def test_a_changed_unit_is_restarted_and_an_unchanged_one_is_not(site: Site, unit: Make) -> None:
    one, other = unit("one"), unit("other")
    started(site, one, other)
    before = pid(site, one), pid(site, other)
    changed = replace(one, environment={"THREADS": "2"})
    started(site, changed, other)
    assert pid(site, one) != before[0]
    assert pid(site, other) == before[1]
    started(site, other)  # no longer known: gone
    assert supervisord.states(site).keys() == {"other"}


def test_a_unit_is_stopped_alone(site: Site, unit: Make) -> None:
    one, other = unit("one"), unit("other")
    started(site, one, other)
    supervisord.stop(site, ["one", "never-heard-of"])
    states = supervisord.states(site)
    assert (states["one"].status, states["other"].status) == (Status.STOPPED, Status.RUNNING)


@pytest.mark.parametrize("text", ["100% sure", 'it\'s "quoted" $HOME `id` \\ ', "tab\there"])
def test_arguments_arrive_as_they_were_given(text: str, site: Site, unit: Make, tmp_path: Path) -> None:
    show = (
        f"import sys, pathlib, time; pathlib.Path({str(tmp_path / 'said')!r}).write_text(sys.argv[1]); time.sleep(60)"
    )
    made = unit("one", show)
    made = replace(made, arguments=("-c", show, text))
    if not text.isprintable():
        with pytest.raises(UserError, match="configuration"):
            supervisord.start(site, (made,), ["one"], {})
        return
    supervisord.start(site, (made,), ["one"], {})
    assert wait_until((tmp_path / "said").is_file, 10)
    assert wait_until(lambda: (tmp_path / "said").read_text() == text, 5)


@pytest.mark.parametrize("name", ["a ;b", "a #b", "new\nline"])
def test_a_folder_whose_name_would_be_cut_is_refused(name: str, tmp_path: Path, unit: Make) -> None:
    odd = site_of(tmp_path, tmp_path / "models", {"STACKPLAN_STATE": str(tmp_path / name)})
    prepare(odd)
    with pytest.raises(UserError, match="configuration"):
        supervisord.configuration(odd, (unit("one"),))


def test_a_deep_folder_gets_its_socket_elsewhere(tmp_path: Path, unit: Make) -> None:
    deep = site_of(tmp_path, tmp_path / "models", {"STACKPLAN_STATE": str(tmp_path / ("d" * 120))})
    prepare(deep)
    try:
        assert len(str(supervisord.socket_path(deep))) <= 90
        started(deep, unit("one"))
    finally:
        supervisord.shut_down(deep)
