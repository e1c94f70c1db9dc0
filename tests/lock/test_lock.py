"""The lock: what it says, that it is stable, and that nothing damaged or foreign is taken for one."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.render.plans import PLANS

from stackplan.errors import UserError
from stackplan.lock import LockedFile, lock_of, lock_text, locked, plan_digest, read_lock
from stackplan.plan import Plan
from stackplan.values import replace

SINGLE = PLANS["single-24gb"]
COMMIT = "c" * 40
SUM = "d" * 64


def pinned_worker(plan: Plan = SINGLE):
    """What the hub says about the first artifact."""
    artifact = next(one for one in locked(plan).artifacts if one.id == plan.artifacts[0].id)
    return replace(artifact, revision=COMMIT, files=(LockedFile(artifact.files[0].path, 123, SUM),), gated=True)


@pytest.mark.parametrize("name", sorted(PLANS))
def test_a_lock_reads_back_as_it_was_written(name: str) -> None:
    text = lock_of(PLANS[name])
    assert lock_text(read_lock(text)) == text


def test_the_same_plan_gives_the_same_bytes() -> None:
    assert lock_of(SINGLE) == lock_of(replace(SINGLE))


def test_everything_that_the_promise_names_is_in_it() -> None:
    lock = json.loads(lock_of(SINGLE, [pinned_worker()]))
    worker = next(one for one in lock["artifacts"] if one["revision"])
    assert worker["repository"] == SINGLE.artifacts[0].repository
    assert worker["files"] == [{"path": "worker-32b-Q4_K_M.gguf", "size_bytes": 123, "sha256": SUM, "git_sha1": ""}]
    assert (worker["revision"], worker["licence"], worker["gated"]) == (COMMIT, "apache-2.0", True)
    assert lock["catalog"] == {"date": "2026-11-21", "digest": "0" * 16}
    assert lock["host"]["fingerprint"] == SINGLE.host.fingerprint
    assert lock["estimator"] == SINGLE.estimator
    assert lock["plan"]["instances"]


def test_the_plan_inside_names_the_locked_files_so_that_it_renders_to_them() -> None:
    plan = PLANS["dual-24gb"]
    late = next(one for one in locked(plan).artifacts if not one.files and one.format == "gguf")
    files = tuple(LockedFile(f"late-0000{part}-of-00002.gguf", 10, SUM) for part in (1, 2))
    lock = locked(plan, [replace(late, revision=COMMIT, files=files)])
    assert lock.plan.artifact(late.id).files == ("late-00001-of-00002.gguf", "late-00002-of-00002.gguf")
    assert lock.plan.artifact(late.id).file_bytes == plan.artifact(late.id).file_bytes
    assert lock.plan_digest == plan_digest(lock.plan)


def test_what_is_not_pinned_is_said() -> None:
    unpinned = {artifact.id: artifact.unpinned for artifact in locked(SINGLE).artifacts}
    assert unpinned["worker-32b:Q4_K_M"] == ("revision", "sizes", "checksums")
    assert unpinned["guard-1b:Q4_K_M"] == ("digest",)
    assert pinned_worker().unpinned == ()


def test_knowledge_survives_a_new_plan_of_the_same_artifacts() -> None:
    known = locked(SINGLE, [pinned_worker()]).artifacts
    again = locked(replace(SINGLE, profile="renamed"), known)
    assert again.artifact(pinned_worker().id) == pinned_worker()


@pytest.mark.parametrize(
    "change",
    [
        {"repository": "other-org/worker-GGUF"},
        {"quantisation": "Q5_K_M"},
        {"revision": "e" * 40},
        {"files": ("x.gguf",)},
    ],
)
def test_knowledge_about_other_files_is_not_carried_over(change: dict) -> None:
    first, *rest = SINGLE.artifacts
    plan = replace(SINGLE, artifacts=(replace(first, **change), *rest))
    assert locked(plan, [pinned_worker()]).artifact(first.id).files[0].sha256 == ""


def test_a_lock_that_was_edited_is_refused() -> None:
    lock = json.loads(lock_of(SINGLE))
    lock["plan"]["instances"][0]["context_tokens"] += 1
    with pytest.raises(UserError, match="changed after it was written"):
        read_lock(json.dumps(lock))


@pytest.mark.parametrize("text", ["", "{}", "null", "[]", '{"schema": 1}', "\x00", "[" * 5000, '{"schema": 1e999}'])
def test_what_is_no_lock_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(UserError) as caught:
        read_lock(text)
    assert "\n" not in caught.value.message


@given(st.text(max_size=300))
def test_no_text_crashes_the_reader(text: str) -> None:
    with pytest.raises(UserError):
        read_lock(text)


def test_a_difference_between_locks_reads_as_what_changed() -> None:
    before = lock_of(SINGLE, [pinned_worker()]).splitlines()
    after = lock_of(SINGLE, [replace(pinned_worker(), files=(replace(pinned_worker().files[0], size_bytes=124),))])
    changed = [line for line in after.splitlines() if line not in before]
    assert changed == ['          "size_bytes": 124,']
