"""The lab in containers: what the README of compose/ promises to somebody who types `docker compose up`."""

import io
import json
import os
import secrets
import subprocess
from ftplib import FTP, error_perm

import pytest

from tests.kit.page import shell_lines
from tests.kit.wait import until
from tests.lab.conftest import COMPOSE_FOLDER

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

NOT_HERE = ("compose/build-image", "cd compose", "docker-compose up", "docker-compose down")


def listing(client: FTP, path: str = "") -> set[str]:
    return {name.rpartition("/")[2] for name in client.nlst(*([path] if path else []))}


def read_back(client: FTP, path: str) -> bytes:
    received = io.BytesIO()
    client.retrbinary(f"RETR {path}", received.write)
    return received.getvalue()


def test_an_upload_over_ftps_through_the_vip_is_on_both_nodes_when_226_is_read(lab) -> None:
    content = secrets.token_bytes(300_000)
    with lab.secure_login("servicedesk") as desk:
        assert desk.storbinary("STOR Data/secure.bin", io.BytesIO(content)).startswith("226 Transfer complete")
    assert lab.content_on("node1", "Data/secure.bin") == content
    assert lab.content_on("node2", "Data/secure.bin") == content


def test_anonymous_reads_data_and_cannot_write(lab) -> None:
    with lab.login("lansurvey") as server:
        server.storbinary("STOR product.bin", io.BytesIO(b"a product"))
    with lab.anonymous() as customer:
        assert "product.bin" in listing(customer)
        assert read_back(customer, "product.bin") == b"a product"
        for command in ("STOR mine.bin", "APPE product.bin"):
            with pytest.raises(error_perm):
                customer.storbinary(command, io.BytesIO(b"x"))
        for command in ("DELE product.bin", "MKD mine", "RMD mine", "RNFR product.bin"):
            with pytest.raises(error_perm):
                customer.sendcmd(command)
        assert listing(customer) >= {"product.bin"}
        assert "mine.bin" not in listing(customer)


def test_a_station_cannot_see_data(lab) -> None:
    with lab.login("station") as station:
        assert "Data" not in listing(station)
        for path in ("../Data", "/Data", "/../Data"):
            with pytest.raises(error_perm):
                station.cwd(path)
        with pytest.raises(error_perm):
            read_back(station, "../Data/product.bin")
        station.cwd("..")
        assert station.pwd() == "/"


def test_the_service_desk_sees_all_and_only_over_tls(lab) -> None:
    with lab.login("station") as station:
        station.storbinary("STOR seen.bin", io.BytesIO(b"seen"))
    with lab.secure_login("servicedesk") as desk:
        assert {"Station", "Data"} <= listing(desk)
        assert ".tripod" not in listing(desk)
        assert read_back(desk, "Station/seen.bin") == b"seen"
    with pytest.raises(error_perm, match="530"):
        lab.login("servicedesk")


def test_a_node_stops_mid_run_traffic_goes_on_and_it_catches_up(lab) -> None:
    before, during = secrets.token_bytes(50_000), secrets.token_bytes(60_000)
    with lab.login("station") as station:
        station.storbinary("STOR before.bin", io.BytesIO(before))
        lab.compose("kill", "node1-ftpnode", "node1-replicator")
        assert station.storbinary("STOR during.bin", io.BytesIO(during)).startswith("226")
        assert read_back(station, "before.bin") == before
    lab.wait_usable("node2")
    with lab.login("station") as station:
        assert read_back(station, "during.bin") == during
    lab.compose("start", "node1-replicator", "node1-ftpnode")
    lab.wait_usable("node1", "node2")
    until(lambda: lab.content_on("node1", "Station/during.bin") == during, "node1 has caught up")


def test_the_simulated_stations_push_through_the_vip(lab) -> None:
    lab.compose("up", "-d", "stations", "applications", "customers")
    with lab.login("station") as station:
        until(lambda: len(listing(station)) > 20, "twenty stations have pushed", timeout_s=300, every_s=2.0)
    lab.compose("stop", "-t", "30", "stations", "applications", "customers")
    journal = lab.compose("logs", "--no-color", "stations", "applications", "customers")
    assert "Traceback" not in journal


def test_every_container_runs_as_nobody_special_on_a_read_only_root(lab) -> None:
    ids = lab.compose("ps", "-q").split()
    assert len(ids) >= 5
    described = subprocess.run(["docker", "inspect", *ids], capture_output=True, text=True, check=True).stdout
    for container in json.loads(described):
        assert container["HostConfig"]["ReadonlyRootfs"], container["Name"]
        assert container["Config"]["User"] not in {"", "root", "0"}, container["Name"]


def test_every_line_of_the_page_does_what_it_says(lab, tmp_path) -> None:
    """The lines of compose/README.md that talk to a running lab, in order, as a reader would type them."""
    (tmp_path / "file.crx.gz").write_bytes(b"a day of observations")
    lines = [line for line in shell_lines(COMPOSE_FOLDER / "README.md") if not line.startswith(NOT_HERE)]
    assert len(lines) >= 11
    variables = {"STATION": lab.passwords["station"], "SERVICEDESK": lab.passwords["servicedesk"]}
    for line in lines:
        mine = line.replace("docker-compose", " ".join(lab.command))
        done = subprocess.run(
            mine, shell=True, cwd=tmp_path, env=os.environ | variables, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
        if "start node1" in line:
            lab.wait_usable("node1", "node2")
        if "drain node2" in line:
            lab.wait_usable("node1")
    lab.wait_usable("node1", "node2")
    assert lab.content_on("node2", "Station/ABCD/2026/326/file.crx.gz") == b"a day of observations"
