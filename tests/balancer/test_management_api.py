"""The balancer's management endpoint does what its own OpenAPI document says, and nothing else."""

import asyncio
import http.client
import json

import jsonschema
import pytest
import structlog

from balancer.management_api import ENDPOINTS, description
from tests.balancer.running_balancer import Bench, bench

CONTENT = b"some bytes" * 1000
POSTS_THAT_DO_NOTHING_HERE = {"/upgrade", "/reload"}
"""The balancer of these tests has neither a command for a successor nor a file: both are a 400 that says so."""


def ask(b: Bench, method: str, path: str, token: str = "") -> tuple[int, str, bytes]:
    connection = http.client.HTTPConnection(*b.settings.balancer.management, timeout=10)
    try:
        connection.request(method, path, headers={"Authorization": f"Bearer {token}"} if token else {})
        answer = connection.getresponse()
        return answer.status, answer.headers.get_content_type(), answer.read()
    finally:
        connection.close()


@pytest.mark.asyncio
async def test_every_endpoint_answers_as_its_document_says(tmp_path):
    async with bench(tmp_path) as b:
        token = b.cluster.management_token()
        await b.run(lambda ftp: ftp.pwd())
        status, kind, body = await asyncio.to_thread(ask, b, "GET", "/openapi.json")
        assert (status, kind) == (200, "application/json")
        document = json.loads(body)
        assert document == description()
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                if operation["security"]:
                    assert (await asyncio.to_thread(ask, b, method.upper(), path))[0] == 403
                    assert (await asyncio.to_thread(ask, b, method.upper(), path, "guess"))[0] == 403
                status, kind, body = await asyncio.to_thread(ask, b, method.upper(), path, token)
                assert str(status) in operation["responses"], path
                assert status == (400 if path in POSTS_THAT_DO_NOTHING_HERE else 200), path
                content = operation["responses"][str(status)]["content"]
                assert list(content) == [kind], path
                if kind == "application/json":
                    schema = content[kind]["schema"] | {"components": document["components"]}
                    jsonschema.validate(json.loads(body), schema)


@pytest.mark.asyncio
async def test_nothing_is_served_that_the_document_does_not_name(tmp_path):
    async with bench(tmp_path) as b:
        served = b.program._management
        named = {(endpoint.method, endpoint.path) for endpoint in ENDPOINTS}
        assert named == {
            ("get", "/health"),
            ("get", "/metrics"),
            *(("get", f"/{name}") for name in (*served._documents, *served._lookups)),
            *(("post", f"/{name}") for name in served._actions),
        }
        for method in ("GET", "POST"):
            assert (await asyncio.to_thread(ask, b, method, "/other", b.cluster.management_token()))[0] == 404


@pytest.mark.asyncio
async def test_metrics_tell_services_and_nodes_apart(tmp_path):
    async with bench(tmp_path) as b:
        b.tree.files["/a.bin"] = CONTENT
        received = []
        await b.run(lambda ftp: ftp.retrbinary("RETR a.bin", received.append))
        text = (await asyncio.to_thread(ask, b, "GET", "/metrics"))[2].decode()
        (node,) = {node.name for node in b.nodes if "RETR a.bin" in node.commands}
        for line in (
            f'balancer_transfers_total{{node="{node}",reply="226",service="ingest",verb="RETR"}} 1.0',
            f'balancer_transferred_bytes_total{{node="{node}",service="ingest",verb="RETR"}} {len(CONTENT)}.0',
            f'balancer_logins_total{{node="{node}",reply="230",service="ingest"}} 1.0',
            'balancer_data_tls_total{data_tls="none",service="ingest"} 1.0',
            f'balancer_node_usable{{node="{node}"}} 1.0',
        ):
            assert line in text, line


@pytest.mark.asyncio
async def test_a_session_is_one_line_with_one_word_and_a_transfer_is_one_line(tmp_path):
    with structlog.testing.capture_logs() as lines:
        async with bench(tmp_path) as b:
            b.tree.files["/a.bin"] = CONTENT
            b.arm("RETR half", "lose")

            def work(ftp):
                ftp.retrbinary("RETR a.bin", lambda _: None)
                ftp.quit()

            await b.run(work)
    (transfer,) = [line for line in lines if line["event"] == "transfer"]
    assert transfer["moved"] == 1
    assert "reset" in transfer["why"]
    assert transfer["bytes"] == len(CONTENT)
    assert (transfer["reply"], transfer["data_tls"], transfer["service"]) == (226, "none", "ingest")
    assert transfer["seconds"] >= 0
    (session,) = [line for line in lines if line["event"] == "session"]
    assert session["outcome"] == "quit"
    assert (session["transfers"], session["bytes_down"], session["moved"]) == (1, len(CONTENT), 1)
    assert session["session"] == transfer["session"]
