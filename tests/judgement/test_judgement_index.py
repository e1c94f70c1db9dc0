"""The index of the tables says what the files say; tests/test_content_index.py has what all indexes share."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stackplan.bundled import bundled_folder
from stackplan.errors import UserError
from stackplan.judgement_index import FILES, load_judgement


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    folder = tmp_path / "catalog"
    folder.mkdir()
    for name in FILES:
        shutil.copy(bundled_folder("catalog") / name, folder)
    return folder


def test_a_changed_file_is_read_anew(tables: Path, tmp_path: Path) -> None:
    before = load_judgement([tables], tmp_path / "cache")
    path = tables / "presets.yaml"
    path.write_text(
        path.read_text(encoding="utf-8").replace("speed_weight: 0.15", "speed_weight: 0.2"), encoding="utf-8"
    )
    after = load_judgement([tables], tmp_path / "cache")
    assert (before.presets["quality"].speed_weight, after.presets["quality"].speed_weight) == (0.15, 0.2)


def test_the_users_own_table_goes_before_the_bundled_one(tables: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    text = (tables / "presets.yaml").read_text(encoding="utf-8").replace("speed_weight: 0.15", "speed_weight: 0.3")
    (own / "presets.yaml").write_text(text, encoding="utf-8")
    assert load_judgement([own, tables], tmp_path / "cache").presets["quality"].speed_weight == 0.3


def test_a_missing_table_is_an_error_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        load_judgement([tmp_path], tmp_path / "cache")
    assert caught.value.hint


def test_a_warm_start_needs_neither_pydantic_nor_yaml(tables: Path, tmp_path: Path) -> None:
    load_judgement([tables], tmp_path / "cache")
    program = (
        "import sys; from pathlib import Path; from stackplan.judgement_index import load_judgement; "
        "load_judgement([Path(sys.argv[1])], Path(sys.argv[2])); print(sorted({'pydantic', 'yaml'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", program, str(tables), str(tmp_path / "cache")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "[]"
