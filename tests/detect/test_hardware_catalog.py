"""The one source of device facts: sound, sourced, matched exactly."""

import json
from pathlib import Path

import pytest

from stackplan.device_catalog import DeviceCatalog
from stackplan.device_catalog_yaml import load_device_catalog
from stackplan.errors import UserError
from stackplan.units import MIB


@pytest.fixture(scope="module")
def catalog() -> DeviceCatalog:
    return load_device_catalog()


def test_every_figure_has_a_source_and_every_price_a_date(catalog: DeviceCatalog) -> None:
    for facts in catalog.devices:
        assert facts.bandwidth_source, facts.id
        assert facts.compute_flops_per_second is None or facts.compute_source, facts.id
        assert facts.memory_bytes is None or facts.memory_source, facts.id
        assert facts.price_usd is None or (facts.price_date and facts.price_source), facts.id


def test_every_driver_name_finds_its_device(catalog: DeviceCatalog) -> None:
    for facts in catalog.devices:
        memory = None if facts.unified and facts.kind != "jetson" else facts.capacity_bytes
        for name in facts.driver_names:
            found = catalog.match(driver_name=name, memory_bytes=memory, gpu_cores=facts.gpu_cores)
            assert found == facts, name


def test_every_pci_id_finds_its_device_where_revision_and_memory_tell_it_apart(catalog: DeviceCatalog) -> None:
    for facts in catalog.devices:
        revision = facts.pci_revisions[0] if facts.pci_revisions else ""
        for pci_id in facts.pci_ids:
            found = catalog.match(pci_id=pci_id, pci_revision=revision, memory_bytes=facts.capacity_bytes)
            assert found == facts, (facts.id, pci_id)


@pytest.mark.parametrize("name", ["T400", "Quadro M5000", "Tesla M40", "Apple M4 Ultra", "RTX 3090", "NVIDIA", ""])
def test_no_name_matches_by_a_part(name: str, catalog: DeviceCatalog) -> None:
    assert catalog.match(driver_name=name) is None


def test_memory_that_contradicts_the_name_is_another_board(catalog: DeviceCatalog) -> None:
    assert catalog.match(driver_name="NVIDIA GeForce RTX 3060", memory_bytes=12288 * MIB).id == "rtx-3060"
    assert catalog.match(driver_name="NVIDIA GeForce RTX 3060", memory_bytes=8192 * MIB) is None


def test_the_index_is_rebuilt_when_a_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STACKPLAN_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("STACKPLAN_CACHE", str(tmp_path / "cache"))
    own = tmp_path / "config" / "catalog" / "hardware"
    own.mkdir(parents=True)
    device = "- {id: my-gpu, name: Mine, bandwidth: {gb_per_second: 100, source: me}}"
    text = f"schema: 1\nvendor: nvidia\nkind: geforce\ndevices:\n{device}\n"
    (own / "mine.yaml").write_text(text)
    assert _fresh().get("my-gpu").bandwidth_bytes_per_second == 100 * 10**9
    (own / "mine.yaml").write_text(text.replace("100", "200"))
    assert _fresh().get("my-gpu").bandwidth_bytes_per_second == 200 * 10**9
    assert len(list((tmp_path / "cache").glob("hardware-*.json"))) == 2


def test_a_broken_index_is_read_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STACKPLAN_CACHE", str(tmp_path))
    whole = _fresh()
    index = next(tmp_path.glob("hardware-*.json"))
    for content in ("", "[]x", "{}", json.dumps([{"id": 1}])):
        index.write_text(content)
        assert _fresh() == whole


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("- {id: a, name: A, bandwidth: {gb_per_second: 0, source: x}}", "devices.0.bandwidth.gb_per_second"),
        ("- {id: a, name: A, bandwidth: {gb_per_second: 5}}", "devices.0.bandwidth.source: is missing"),
        ("- {id: a, name: A, colour: red}", "devices.0.colour: unknown field"),
        ("- {id: a, name: A, pci_ids: [10DE-2204]}", "devices.0.pci_ids.0"),
        ("- {id: a, name: A, price: {usd: 5, source: x}}", "devices.0.price.date"),
        ("- {id: rtx-3090, name: A}", "is already in"),
    ],
)
def test_a_mistake_names_file_line_and_field(
    line: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STACKPLAN_CONFIG", str(tmp_path))
    own = tmp_path / "catalog" / "hardware"
    own.mkdir(parents=True)
    (own / "zz.yaml").write_text(f"schema: 1\nvendor: nvidia\nkind: geforce\ndevices:\n{line}\n")
    with pytest.raises(UserError) as caught:
        _fresh()
    assert told in caught.value.message
    assert "zz.yaml" in caught.value.message


def _fresh() -> DeviceCatalog:
    load_device_catalog.cache_clear()
    try:
        return load_device_catalog()
    finally:
        load_device_catalog.cache_clear()
