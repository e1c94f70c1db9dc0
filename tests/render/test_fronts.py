"""Prometheus, nginx and Open WebUI: read by promtool, nginx and docker compose where they are at hand."""

import os
import shutil
from pathlib import Path

import pytest
import yaml
from tests.render.conftest import PLACEHOLDERS, VALIDATORS, run, write
from tests.render.plans import PLANS, services_stack, single_24gb

from stackplan.render import render_plan
from stackplan.render.overlays import compose_files

DEBIAN = VALIDATORS / "debian/usr"
PLACES = f"{DEBIAN}/bin:{DEBIAN}/sbin:{os.environ['PATH']}:/usr/sbin:/sbin"


def program(name: str) -> str:
    found = shutil.which(name, path=PLACES)
    if found is None:
        pytest.skip(f"no {name} here, and scripts/debian-validators found none: hand-written rules only")
    return found


@pytest.mark.parametrize("name", ["single-24gb", "services", "cpu-only"])
def test_promtool_reads_the_scrape_configuration(name: str, tmp_path: Path) -> None:
    write(tmp_path, render_plan(PLANS[name], ["prometheus"]))
    done = run(program("promtool"), "check", "config", "--syntax-only", tmp_path / "prometheus/prometheus.yml")
    assert done.returncode == 0, done.stderr


def test_only_hot_servers_with_metrics_are_scraped() -> None:
    document = yaml.safe_load(render_plan(single_24gb(), ["prometheus"])["prometheus/prometheus.yml"])
    targets = {job["job_name"]: job["static_configs"][0]["targets"] for job in document["scrape_configs"]}
    assert targets == {
        "worker-32b": ["127.0.0.1:8101"],
        "embedder": ["127.0.0.1:8107"],
        "reranker": ["127.0.0.1:8108"],
    }


def test_nginx_reads_the_front(tmp_path: Path) -> None:
    nginx, openssl = program("nginx"), program("openssl")
    key, certificate = tmp_path / "stackplan.key", tmp_path / "stackplan.crt"
    subject = ["-subj", "/CN=x", "-keyout", key, "-out", certificate]
    made = run(openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", *subject)
    assert made.returncode == 0, made.stderr
    front = render_plan(single_24gb(), ["nginx"])["nginx/stackplan.conf"].replace("/etc/nginx/tls", str(tmp_path))
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    scratch = "".join(f"{kind}_temp_path {tmp_path}/{kind};\n" for kind in kinds)
    whole = f"pid {tmp_path}/pid;\nevents {{}}\nhttp {{\naccess_log off;\n{scratch}{front}\n}}\n"
    done = run(nginx, "-t", "-q", "-p", tmp_path, "-c", write(tmp_path, {"nginx.conf": whole}) / "nginx.conf")
    assert done.returncode == 0, done.stderr


def test_the_front_lets_only_known_paths_with_a_key_pass() -> None:
    text = render_plan(single_24gb(), ["nginx"])["nginx/stackplan.conf"]
    assert "return 401" in text
    assert "proxy_buffering off" in text
    assert "location / {\n        return 404;" in text


@pytest.mark.parametrize("name", sorted(PLANS.keys() - {"apple-unified"}))
def test_docker_compose_reads_open_webui_with_the_stack(name: str, compose_binary: Path, tmp_path: Path) -> None:
    write(tmp_path, render_plan(PLANS[name], ["open-webui"]))
    words = [word for file in [*compose_files(PLANS[name]), "compose.open-webui.yaml"] for word in ("-f", file)]
    done = run(compose_binary, *words, "--profile", "*", "config", "-q", cwd=tmp_path, **PLACEHOLDERS)
    assert (done.returncode, done.stderr) == (0, "")


def test_open_webui_uses_the_roles_of_the_plan() -> None:
    document = yaml.safe_load(render_plan(services_stack(), ["open-webui"])["compose.open-webui.yaml"])
    environment = document["services"]["open-webui"]["environment"]
    assert environment["RAG_EMBEDDING_MODEL"] == "embedding"
    assert environment["RAG_RERANKING_MODEL"] == "reranker"
    assert environment["RAG_EXTERNAL_RERANKER_URL"].endswith("/v1/rerank")
    assert environment["AUDIO_STT_MODEL"] == "speech"
    assert environment["ENABLE_PERSISTENT_CONFIG"] == "False"
