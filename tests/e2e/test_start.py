"""Runs that cannot start: one clear sentence, the next step, the published exit code, and nothing sent."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.e2e.harness import Cloud, Ended, Project, run
from tests.ports import unserved

REFUSED_TOKENS = ["t1.9euelZqMkJ2Qm5iXzJiVnMmUlJmQku3rnpWaxpuanp2.expired", "nonsense"]


def reported(end: Ended, code: int, *parts: str) -> None:
    """Check an end: the code, no data, an error of one sentence, and advice."""
    assert end.code == code, end.err
    assert end.out == ""
    assert end.err.count("error: ") == 1
    for part in parts:
        assert part in end.err
    _, _, error = end.err.partition("error: ")
    assert len(error.splitlines()) == 2, error


def deploy(project: Project, environ: dict[str, str], *arguments: str) -> Ended:
    return run(project.root, "deploy", "--yes", *arguments, environ=environ)


def test_a_bucket_that_does_not_exist(cloud: Cloud, project: Project) -> None:
    project.write(2)
    end = deploy(project, cloud.environ(), "--bucket", "no-such-bucket")
    reported(end, 6, "no-such-bucket")
    assert cloud.functions(project.folder_id) == []


def test_a_wrong_secret_of_the_static_key(cloud: Cloud, project: Project) -> None:
    project.write(2)
    keys = {"YC_STORAGE_ACCESS_KEY": cloud.static_key["access_key"], "YC_STORAGE_SECRET_KEY": "YC" + "w" * 38}
    reported(deploy(project, cloud.environ() | keys), 6, "YC_STORAGE_SECRET_KEY")
    assert cloud.functions(project.folder_id) == []


def test_an_unknown_static_key(cloud: Cloud, project: Project) -> None:
    project.write(2)
    keys = {"YC_STORAGE_ACCESS_KEY": "YCAJEunknown00000000000000", "YC_STORAGE_SECRET_KEY": "YC" + "w" * 38}
    reported(deploy(project, cloud.environ() | keys), 6, "YC_STORAGE_ACCESS_KEY")
    assert cloud.functions(project.folder_id) == []


@pytest.mark.parametrize("token", REFUSED_TOKENS)
def test_a_token_that_is_not_accepted(cloud: Cloud, project: Project, token: str) -> None:
    project.write(2)
    end = deploy(project, {"ORCHESTRATOR_ENDPOINT": cloud.url, "YC_IAM_TOKEN": token})
    reported(end, 6, "YC_IAM_TOKEN")
    assert token not in end.err


@pytest.mark.parametrize(
    "content", ["", "{}", "not json", '{"id": "a", "service_account_id": "b", "private_key": "c"}']
)
def test_a_key_file_that_is_none(cloud: Cloud, project: Project, content: str) -> None:
    project.write(2)
    key = project.root / "key.json"
    key.write_text(content)
    reported(
        deploy(project, {"ORCHESTRATOR_ENDPOINT": cloud.url, "YC_SERVICE_ACCOUNT_KEY_FILE": str(key)}), 6, str(key)
    )


def test_a_key_file_that_does_not_exist(cloud: Cloud, project: Project) -> None:
    project.write(2)
    reported(deploy(project, cloud.environ() | {"YC_SERVICE_ACCOUNT_KEY_FILE": "nowhere.json"}), 6, "nowhere.json")


def test_no_credentials_at_all(cloud: Cloud, project: Project) -> None:
    project.write(2)
    with unserved() as address:
        environ = {"ORCHESTRATOR_ENDPOINT": cloud.url, "YC_METADATA_ADDR": address}
        reported(deploy(project, environ), 6, "YC_SERVICE_ACCOUNT_KEY_FILE", "YC_IAM_TOKEN")


def test_nothing_listens_at_the_endpoint(cloud: Cloud, project: Project) -> None:
    project.write(2)
    with unserved() as address:
        url = f"http://{address}"
        reported(deploy(project, cloud.environ(), "--endpoint", url), 6, url, "connection refused")


def test_a_host_that_has_no_address(cloud: Cloud, project: Project) -> None:
    project.write(2)
    reported(deploy(project, cloud.environ(), "--endpoint", "http://nowhere.invalid"), 6, "nowhere.invalid")


def test_an_endpoint_that_is_no_url(cloud: Cloud, project: Project) -> None:
    project.write(2)
    reported(deploy(project, cloud.environ(), "--endpoint", "nowhere"), 6, "the endpoint nowhere is not a URL")


class _Html(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        page = b"<html><head><title>Sign in</title></head><body><h1>Corporate proxy</h1></body></html>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    do_POST = do_GET  # noqa: N815 - the name that the base class looks up

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


@contextmanager
def html_server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Html) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def test_an_endpoint_that_answers_html(cloud: Cloud, project: Project) -> None:
    project.write(2)
    with html_server() as url:
        reported(deploy(project, cloud.environ(), "--endpoint", url), 6, url, "HTML")


def test_a_proxy_that_answers_html(cloud: Cloud, project: Project) -> None:
    project.write(2)
    with html_server() as url:
        environ = cloud.environ() | {"HTTP_PROXY": url, "http_proxy": url, "NO_PROXY": ""}
        end = deploy(project, environ, "--endpoint", "http://api.cloud.example")
    reported(end, 6, "http://api.cloud.example", "HTML", "HTTPS_PROXY")


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_state_folder_that_cannot_be_made(cloud: Cloud, project: Project, place: str) -> None:
    project.write(2)
    (project.root / "file").touch()
    reported(deploy(project, cloud.environ(), "--state", place), 6, place, "--state")
    assert cloud.functions(project.folder_id) == []


@pytest.mark.parametrize("verb", ["runs", "show"])
def test_reading_a_state_folder_that_is_a_file(tmp_path: Path, verb: str) -> None:
    (tmp_path / "file").touch()
    reported(run(tmp_path, verb, "--state", "file"), 6, "file")


def test_an_event_file_that_cannot_be_made(cloud: Cloud, project: Project) -> None:
    project.write(2)
    reported(deploy(project, cloud.environ(), "--events", "no/such/folder"), 6, "no/such/folder")
    assert cloud.functions(project.folder_id) == []
