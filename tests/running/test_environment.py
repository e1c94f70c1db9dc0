"""Keys come from where the user put them and go where they are needed; nothing else of the environment travels."""

from pathlib import Path

import pytest
from tests.render.plans import cpu_only, single_24gb

from stackplan.errors import UserError
from stackplan.running.environment import key_files, keys_of, passed_on, read_variables, written_down
from stackplan.running.units import gateway_unit


def files(tmp_path: Path) -> tuple[Path, ...]:
    (tmp_path / "config").mkdir()
    (tmp_path / "deploy").mkdir()
    return key_files(tmp_path / "config", tmp_path / "deploy")


def test_the_environment_goes_before_the_users_file_and_that_before_the_deployments(tmp_path: Path) -> None:
    own, deployment = files(tmp_path)
    unit = gateway_unit(cpu_only(), tmp_path)
    deployment.write_text("LITELLM_MASTER_KEY=third\n")
    assert keys_of([unit], (own, deployment), {}) == {"LITELLM_MASTER_KEY": "third"}
    own.write_text("LITELLM_MASTER_KEY=second\n")
    assert keys_of([unit], (own, deployment), {}) == {"LITELLM_MASTER_KEY": "second"}
    assert keys_of([unit], (own, deployment), {"LITELLM_MASTER_KEY": "first"}) == {"LITELLM_MASTER_KEY": "first"}


def test_every_remote_endpoint_wants_its_own_key(tmp_path: Path) -> None:
    unit = gateway_unit(single_24gb(), tmp_path)
    assert set(unit.keys) == {"LITELLM_MASTER_KEY", "AFFORDABLE_API_KEY", "PREMIUM_API_KEY"}
    with pytest.raises(UserError, match="PREMIUM_API_KEY is not set") as caught:
        keys_of([unit], files(tmp_path), {"LITELLM_MASTER_KEY": "a", "AFFORDABLE_API_KEY": "b", "PREMIUM_API_KEY": ""})
    assert "gateway.env" in caught.value.hint


def test_lines_are_read_as_people_write_them(tmp_path: Path) -> None:
    path = tmp_path / "gateway.env"
    path.write_text("# keys\n\nA=1\nexport B = \"two words\"\nC='$HOME'\nnot a line\nbad-name=x\nD=a=b\n")
    assert read_variables(path) == {"A": "1", "B": "two words", "C": "$HOME", "D": "a=b"}


@pytest.mark.parametrize("content", [b"A=\xff\n", b"A=" + b"x" * 70_000])
def test_a_file_of_something_else_is_one_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "gateway.env").write_bytes(content)
    with pytest.raises(UserError, match="cannot be read"):
        read_variables(tmp_path / "gateway.env")


def test_drivers_pass_and_keys_and_overrides_do_not() -> None:
    given = {
        "PATH": "/bin",
        "CUDA_VISIBLE_DEVICES": "0",
        "LD_LIBRARY_PATH": "/opt",
        "OPENAI_API_KEY": "sk",
        "HF_TOKEN": "hf",
        "LLAMA_ARG_CTX_SIZE": "1",
        "HTTPS_PROXY": "http://user:word@proxy",
    }
    assert passed_on(given).keys() == {"PATH", "CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH", "HTTPS_PROXY"}
    assert written_down(given).keys() == {"PATH", "CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH"}
