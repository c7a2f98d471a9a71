"""The client of clamd: a verdict, or none; and a server that stores nothing without one."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pymongo import MongoClient

from fhir_dmp.scanner.clamd import Clamd
from fhir_dmp.scanner.port import ScannerAway
from fhir_dmp.settings import SettingInvalid, read_settings
from tests.rest.server import GUARDED, Server, run_server
from tests.scanner.clamd import EICAR, MOST, run_clamd

Json = Any


async def parts(*contents: bytes) -> AsyncIterator[bytes]:
    for content in contents:
        yield content


async def test_a_content_is_clean_or_has_what_was_found_in_it() -> None:
    async with run_clamd() as clamd:
        client = Clamd("127.0.0.1", clamd.port)
        large = b"x" * 200_000
        assert await client.scan(parts(large, b"", b"y")) == ""
        assert clamd.seen == [large + b"y"]
        assert await client.scan(parts(EICAR[:9], EICAR[9:])) == "Eicar-Signature"


@pytest.mark.parametrize("words", [b"stream: OK", b"UNKNOWN COMMAND\0", b"stream: broken ERROR\0", b"\xff\0"])
async def test_whatever_is_no_verdict_is_none(words: bytes) -> None:
    async with run_clamd() as clamd:
        clamd.words = words
        with pytest.raises(ScannerAway):
            await Clamd("127.0.0.1", clamd.port, seconds=0.5).scan(parts(b"x"))


async def test_who_is_away_slow_or_takes_no_more_gives_no_verdict() -> None:
    async with run_clamd() as clamd:
        with pytest.raises(ScannerAway):
            await Clamd("127.0.0.1", clamd.port).scan(parts(b"x" * (MOST + 1)))
        clamd.is_silent = True
        with pytest.raises(ScannerAway):
            await Clamd("127.0.0.1", clamd.port, seconds=0.2).scan(parts(b"x"))
    with pytest.raises(ScannerAway):
        await Clamd("127.0.0.1", clamd.port).scan(parts(b"x"))


@pytest.mark.parametrize("text", ["host:3310", "http://host:3310", "tcp://host", "tcp://:3310", "tcp://h:99999"])
def test_a_scanner_is_named_by_host_and_port(text: str) -> None:
    assert read_settings({"FHIR_DMP_SCANNER": "tcp://host:3310"}).scanner == ("host", 3310)
    with pytest.raises(SettingInvalid):
        read_settings({"FHIR_DMP_SCANNER": text})


async def test_nothing_is_stored_that_was_not_found_clean(
    mongodb_uri: str, mongodb_client: MongoClient[dict[str, Any]]
) -> None:
    async with run_clamd() as clamd:
        place = f"tcp://127.0.0.1:{clamd.port}"
        async with run_server(mongodb_uri, mongodb_client, SCANNER=place) as server:
            for harmful in (binary(EICAR), document(EICAR), bundle(document(b"x"), document(EICAR))):
                answer = await server.client.post(target(harmful), json=harmful)
                issue = answer.json()["issue"][0]
                assert (answer.status_code, issue["details"]["coding"][0]["code"]) == (422, "content-harmful")
                assert issue["expression"][0].endswith("data") or issue["expression"][0] == "Binary.data"
            assert server.count(ty="DocumentReference") == server.count(ty="Binary") == 0
            assert (await server.client.post("DocumentReference", json=document(b"x"))).status_code == 201
            clamd.words = b"no more memory ERROR\0"
            answer = await server.client.post("DocumentReference", json=document(b"y"))
            assert answer.status_code == 503
            assert server.count(ty="DocumentReference") == 1


LARGE = b"x" * (9 * 1024 * 1024)
PLAIN = {"content-type": "text/plain"}


def count_kept(server: Server) -> dict[str, int]:
    return {name: server.count(name) for name in ("content.files", "content.chunks")} | {"": server.count(ty="Binary")}


NOTHING = {"content.files": 0, "content.chunks": 0, "": 0}


async def test_nothing_of_a_large_content_is_kept_that_was_not_found_clean(
    mongodb_uri: str, mongodb_client: MongoClient[dict[str, Any]]
) -> None:
    async with run_clamd() as clamd:
        place = f"tcp://127.0.0.1:{clamd.port}"
        async with run_server(mongodb_uri, mongodb_client, SCANNER=place, MAX_BODY="20000000") as server:
            post = server.client.post
            for answer in (
                await post("Binary", content=LARGE + EICAR, headers=PLAIN),
                await post("Binary", content=EICAR + LARGE, headers=PLAIN),
                await post("Binary", json=binary(LARGE + EICAR)),
                await post("", json=bundle(binary(LARGE + EICAR))),
            ):
                assert answer.status_code == 422, answer.text
                assert answer.json()["issue"][0]["details"]["coding"][0]["code"] == "content-harmful"
            clamd.words = b"no more memory ERROR\0"
            assert (await post("Binary", content=LARGE, headers=PLAIN)).status_code == 503
            clamd.words = b""
            headers = [("content-type", "text/plain"), ("content-length", str(2 * len(LARGE)))]
            await server.exchange("POST", "/fhir/Binary", headers, [LARGE, b"x"], is_cut=True)
            assert count_kept(server) == NOTHING
            assert (await post("Binary", content=LARGE, headers=PLAIN)).status_code == 201
            assert clamd.seen[-1] == LARGE
            assert count_kept(server) == {"content.files": 1, "content.chunks": 9, "": 1}


async def test_a_large_content_is_compared_with_its_type(
    mongodb_uri: str, mongodb_client: MongoClient[dict[str, Any]]
) -> None:
    async with run_server(mongodb_uri, mongodb_client, mode=GUARDED, MAX_BODY="20000000") as server:
        doctor = server.tokens.practitioner("10000000011", "10")
        post = server.client.post
        for answer in (
            await post("Binary", content=LARGE, headers={**doctor, "content-type": "application/pdf"}),
            await post("Binary", content=b"MZ\0" + LARGE, headers={**doctor, **PLAIN}),
            await post("Binary", json={**binary(LARGE), "contentType": "image/png"}, headers=doctor),
        ):
            assert answer.status_code == 422, answer.text
            issue = answer.json()["issue"][0]
            assert (issue["details"]["coding"][0]["code"], issue["expression"]) == (
                "content-type",
                ["Binary.contentType"],
            )
        assert count_kept(server) == NOTHING
        assert (await post("Binary", content=LARGE, headers={**doctor, **PLAIN})).status_code == 201


async def test_a_scanner_waits_for_what_comes_slowly_but_not_for_ever_for_the_scanner() -> None:
    async def slowly() -> AsyncIterator[bytes]:
        for _ in range(4):
            await asyncio.sleep(0.1)
            yield b"x"

    async with run_clamd() as clamd:
        client = Clamd("127.0.0.1", clamd.port, seconds=0.2)
        assert await client.scan(slowly()) == ""
        clamd.is_silent = True
        with pytest.raises(ScannerAway):
            await client.scan(slowly())


def binary(content: bytes) -> Json:
    return {"resourceType": "Binary", "contentType": "text/plain", "data": base64.b64encode(content).decode()}


def document(content: bytes) -> Json:
    attachment = {"contentType": "text/plain", "data": base64.b64encode(content).decode()}
    return {"resourceType": "DocumentReference", "status": "current", "content": [{"attachment": attachment}]}


def bundle(*resources: Json) -> Json:
    entries = [{"resource": row, "request": {"method": "POST", "url": row["resourceType"]}} for row in resources]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def target(resource: Json) -> str:
    return "" if resource["resourceType"] == "Bundle" else str(resource["resourceType"])
