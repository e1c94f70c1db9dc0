"""deploy/ is replaced whole or not at all: by kills at every step, on full disks, and never over others' files."""

import os
import resource
import shutil
import signal
import stat
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from stackplan.deploy import is_tree, read_tree, write_file, write_tree
from stackplan.errors import UserError

OLD = {"plan.json": "old plan\n", "compose.yaml": "old compose\n", "ollama/pull.sh": "#!/bin/sh\nold\n"}
NEW = {"plan.json": "new plan\n", "litellm/config.yaml": "new\n", "llama.cpp/serve.sh": "#!/bin/sh\nnew\n"}

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="a process is killed in the middle: needs fork")


def in_a_child(work: Callable[[], None]) -> int:
    """The wait status of a process that does ``work`` and leaves without cleaning up."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1]


def killed_at(step: int, work: Callable[[], None]) -> bool:
    """Whether a process that does ``work`` was killed before the ``step``-th call to the operating system it makes."""
    seen = 0

    def hook(event: str, _: object) -> None:
        nonlocal seen
        if event == "open" or event.startswith(("os.", "shutil.", "tempfile.", "ctypes.")):
            seen += 1
            if seen == step:
                os.kill(os.getpid(), signal.SIGKILL)

    def watched() -> None:
        sys.addaudithook(hook)
        work()

    status = in_a_child(watched)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


@needs_fork
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the exchange takes two steps")
def test_a_kill_at_any_step_leaves_the_old_tree_or_the_new_one(tmp_path: Path) -> None:
    step, seen = 1, set()
    while True:
        folder = tmp_path / str(step) / "deploy"
        write_tree(folder, OLD)
        killed = killed_at(step, lambda folder=folder: write_tree(folder, NEW))  # type: ignore[misc]
        assert read_tree(folder) in (OLD, NEW), f"killed at step {step}"
        seen.add(read_tree(folder) == NEW)
        write_tree(folder, NEW)
        assert read_tree(folder) == NEW
        if not killed:
            break
        step += 1
    assert step > 20  # files, folders, flushes: the loop went through them
    assert seen == {False, True}


@needs_fork
def test_without_the_exchange_a_later_run_completes_what_a_kill_left_halfway(tmp_path: Path) -> None:
    def write_as_elsewhere(folder: Path) -> None:
        sys.platform = "other"
        write_tree(folder, NEW)

    step = 1
    while True:
        folder = tmp_path / str(step) / "deploy"
        write_tree(folder, OLD)
        killed = killed_at(step, lambda folder=folder: write_as_elsewhere(folder))  # type: ignore[misc]
        left = folder if folder.exists() else folder.with_name(".deploy.old")
        assert read_tree(left) in (OLD, NEW), f"killed at step {step}"
        write_tree(folder, NEW)
        assert read_tree(folder) == NEW
        if not killed:
            break
        step += 1
    assert step > 20


@needs_fork
def test_a_file_that_cannot_grow_leaves_the_old_tree_and_no_rubbish(tmp_path: Path) -> None:
    folder = tmp_path / "deploy"
    write_tree(folder, OLD)

    def with_a_full_disk() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        with pytest.raises(UserError, match="cannot write"):
            write_tree(folder, {"big.txt": "x" * 100_000})

    assert in_a_child(with_a_full_disk) == 0
    assert read_tree(folder) == OLD
    assert [path.name for path in tmp_path.iterdir()] == ["deploy"]


def test_the_tree_holds_exactly_what_was_given(tmp_path: Path) -> None:
    folder = tmp_path / "below" / "deploy"
    write_tree(folder, OLD)
    write_tree(folder, NEW)
    assert read_tree(folder) == NEW
    assert is_tree(folder)
    assert [path.name for path in folder.parent.iterdir()] == ["deploy"]


def test_scripts_can_be_started_and_nothing_else_can(tmp_path: Path) -> None:
    write_tree(tmp_path / "deploy", {**NEW, "serve": "#!/bin/sh\n"}, executable=frozenset({"serve"}))
    runnable = {
        path.relative_to(tmp_path / "deploy").as_posix()
        for path in (tmp_path / "deploy").rglob("*")
        if path.is_file() and path.stat().st_mode & stat.S_IXUSR
    }
    assert runnable == {"serve", "llama.cpp/serve.sh"}


def test_the_users_own_environment_file_stays(tmp_path: Path) -> None:
    write_tree(tmp_path / "deploy", OLD)
    (tmp_path / "deploy" / ".env").write_text("LITELLM_MASTER_KEY=mine\n", encoding="utf-8")
    write_tree(tmp_path / "deploy", NEW)
    assert (tmp_path / "deploy" / ".env").read_text(encoding="utf-8") == "LITELLM_MASTER_KEY=mine\n"
    assert read_tree(tmp_path / "deploy") == NEW


def test_somebody_elses_folder_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(UserError, match="did not write") as refused:
        write_tree(tmp_path / "deploy", NEW)
    assert refused.value.slug == "deploy-foreign"
    assert (tmp_path / "deploy" / "thesis.txt").read_text(encoding="utf-8") == "years of work"


def test_an_empty_folder_may_be_used(tmp_path: Path) -> None:
    (tmp_path / "deploy").mkdir()
    write_tree(tmp_path / "deploy", NEW)
    assert read_tree(tmp_path / "deploy") == NEW


@pytest.mark.parametrize("kind", ["file", "link", "dangling link"])
def test_what_is_no_folder_is_left_alone(tmp_path: Path, kind: str) -> None:
    place, elsewhere = tmp_path / "deploy", tmp_path / "elsewhere"
    if kind == "file":
        place.write_text("mine", encoding="utf-8")
    else:
        if kind == "link":
            write_tree(elsewhere, OLD)
        place.symlink_to(elsewhere)
    with pytest.raises(UserError) as refused:
        write_tree(place, NEW)
    assert refused.value.slug == "deploy-not-a-folder"
    assert kind != "link" or read_tree(elsewhere) == OLD
    assert kind != "file" or place.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", "", "a\0b", "a\\..\\b"])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    write_tree(tmp_path / "in" / "deploy", OLD)
    with pytest.raises(UserError) as refused:
        write_tree(tmp_path / "in" / "deploy", {"good": "x", name: "evil"})
    assert refused.value.slug == "deploy-bad-name"
    assert read_tree(tmp_path / "in" / "deploy") == OLD
    assert not list(tmp_path.glob("**/evil"))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_place_that_may_not_be_written_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(UserError) as refused:
            write_tree(tmp_path / "deploy", NEW)
    finally:
        tmp_path.chmod(0o700)
    assert refused.value.slug == "deploy-denied"


def test_a_place_below_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(UserError) as refused:
        write_tree(tmp_path / "file" / "deploy", NEW)
    assert refused.value.slug == "deploy-denied"


@needs_fork
def test_one_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    step = 1
    while True:
        path = tmp_path / str(step) / "index.json"
        write_file(path, "old")
        killed = killed_at(step, lambda path=path: write_file(path, "new" * 1000))  # type: ignore[misc]
        assert path.read_text(encoding="utf-8") in ("old", "new" * 1000)
        if not killed:
            break
        step += 1
    assert path.read_text(encoding="utf-8") == "new" * 1000


@needs_fork
@pytest.mark.parametrize("best_effort", [False, True])
def test_one_file_that_cannot_grow_leaves_the_old_one_and_no_rubbish(tmp_path: Path, best_effort: bool) -> None:
    write_file(tmp_path / "index.json", "old")

    def with_a_full_disk() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        with nullcontext() if best_effort else pytest.raises(UserError, match="cannot write"):
            write_file(tmp_path / "index.json", "x" * 100_000, best_effort=best_effort)

    assert in_a_child(with_a_full_disk) == 0
    assert (tmp_path / "index.json").read_text(encoding="utf-8") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["index.json"]


def test_a_cache_that_cannot_be_written_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    write_file(tmp_path / "file" / "index.json", "text", best_effort=True)
    with pytest.raises(UserError):
        write_file(tmp_path / "file" / "index.json", "text")
    shutil.rmtree(tmp_path, ignore_errors=True)
