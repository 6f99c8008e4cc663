"""`ctxasr serve` as clients meet it: whole dialogues over HTTP, by httpx and by curl."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from ctxasr.gateway.protocols.wyoming_frames import Message, read_message, to_bytes
from ctxasr.store.clients import LOCAL_REGION, Endpoint, clients
from ctxasr.store.schema import Tables

from .serving import (
    AUDIO,
    CUSTOMERS,
    Server,
    ask_back,
    asking_back,
    directives,
    fuzz,
    listening,
    message,
    pcm,
    recognize,
    serving,
    texts,
    token_of,
)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving("--rate", "100000") as running:
        yield running
        assert running.end(signal.SIGINT) == 130
        assert '"level": "ERROR"' not in running.log.read_text()


def events(client: httpx.Client, event: dict[str, Any], audio: bytes | None) -> httpx.Response:
    parts: dict[str, Any] = {"metadata": (None, json.dumps(event), "application/json")}
    if audio is not None:
        parts["audio"] = ("audio", audio, "application/octet-stream")
    answer = client.post("/v20160207/events", files=parts)
    assert answer.status_code in (200, 204), answer.text
    return answer


# ---------------------------------------------------------------- dialogues


def test_a_dialogue_in_the_shape_of_avs(server: Server) -> None:
    with server.client() as client:
        opened = events(client, recognize("avs-1"), pcm(1))
        stop, heard = directives(opened)
        assert stop["directive"]["header"]["name"] == "StopCapture"
        assert heard["directive"]["header"]["dialogRequestId"] == "avs-1"
        assert ask_back(client, "avs-1", "ask-avs")["outcome"] == "embedded"

        # As AVS has it: no dialogRequestId, the token says of which reply.
        started = message("event", "SpeechSynthesizer.SpeechStarted", "avs-1", token="speech-avs-1")
        del started["event"]["header"]["dialogRequestId"]
        assert events(client, started, None).status_code == 204
        marks = client.get("/v1/turns/avs-1").json()["marks"]
        assert marks[-1]["name"] == "SpeechSynthesizer.SpeechStarted"

        plain = events(client, recognize("avs-2"), pcm(2))
        answer = events(client, recognize("avs-3", "ask-avs"), pcm(2))
    assert texts(directives(plain)) == ["an hour"], "the recogniser alone"
    assert texts(directives(answer)) == ["bauer"]


def test_a_dialogue_in_plain_json(server: Server) -> None:
    with server.client() as client:

        def recognise(number: int, **query: str) -> Any:
            body = (AUDIO / f"call_meg-{number}.flac").read_bytes()
            sound = {"Content-Type": "audio/flac"}
            answer = client.post("/v1/recognise", params=query, content=body, headers=sound)
            assert answer.status_code == 200, answer.text
            return answer.json()

        assert recognise(1, interaction="json-1")["recorded"]
        assert ask_back(client, "json-1", "ask-json")["outcome"] == "embedded"
        found = recognise(2, interaction="json-2", token="ask-json", nbest="3")
        assert (found["plain_text"], found["text"]) == ("an hour", "bauer")
        assert (found["context"], found["recorded"]) == ("hit", True)
        (change,) = found["changes"]
        assert change == {
            "from": "an hour", "to": "bauer", "phrase": "Bauer", "id": "", "signal": "entities",
        }  # fmt: skip
        assert len(found["hypotheses"]) == 3

        turn = client.get("/v1/turns/json-2").json()
        assert [mark["name"] for mark in turn["marks"]] == [
            "SpeechRecognizer.Recognize", "ContextText.Utterance",
        ]  # fmt: skip
        assert turn["payloads"] == {"utterance": 1}
        asked = client.get("/v1/turns/json-1")
        assert asked.json()["outcome"] == "embedded"
        assert 30_000 < asked.json()["window_ms"] <= 60_000, "from the directive to the reply's end"
        assert "auer" not in asked.text, "a turn's status holds no texts"

        context = client.get("/v1/turns/json-1/context").json()
        assert (context["state"], context["vectors"]["shape"][0]) == ("hit", 1)
        hotwords = client.get("/v1/turns/json-1/phrases", params={"format": "sherpa-onnx"})
        assert hotwords.headers["content-type"].startswith("text/plain")
        assert "meg bauer" in hotwords.text.lower()
        named = client.get("/v1/turns/json-1/phrases").json()["phrases"]
        assert ("Meg Bauer", "entities") in [(one["text"], one["signal"]) for one in named]


def test_the_door_hears_with_whisper(whisper_model: Path) -> None:
    with (
        serving("--recogniser", f"whisper:{whisper_model}") as served,
        served.client() as client,
    ):
        body = (AUDIO / "call_meg-2.flac").read_bytes()
        query = {"interaction": "whisper-1", "nbest": "5"}
        sound = {"Content-Type": "audio/flac"}
        answer = client.post("/v1/recognise", params=query, content=body, headers=sound)
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert found["plain_text"] == found["text"] == "power"
        assert "Bauer." in [heard["text"] for heard in found["hypotheses"]]
        assert served.end() == 0


def test_the_context_waits_for_hypotheses_of_another_recogniser(server: Server) -> None:
    with server.client() as client:
        client.post("/v1/records", json={"message": recognize("other-1")})
        first = {"interaction": "other-1", "hypotheses": [{"text": "Call Meg!"}]}
        answer = client.post("/v1/utterances", json=first).json()
        assert (answer["text"], answer["reason"]) == ("Call Meg!", "nothing was asked")
        assert ask_back(client, "other-1", "ask-other")["outcome"] == "embedded"

        # The microphone opens; its context is fetched before there is anything to rescore.
        client.post("/v1/records", json={"message": recognize("other-2", "ask-other")})
        heard = [{"text": "Power."}, {"text": "Bauer", "score": -1}]
        second = {"interaction": "other-2", "hypotheses": heard}
        answer = client.post("/v1/utterances", json=second).json()
        assert (answer["text"], answer["plain_text"]) == ("Bauer.", "Power.")
        assert [change["signal"] for change in answer["changes"]] == ["entities"]


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="finds the port as Linux shows it")
def test_its_own_store_answers_nobody_else(server: Server) -> None:
    with server.client() as client:
        client.post("/v1/records", json={"message": recognize("own-1")})
        first = {"interaction": "own-1", "hypotheses": [{"text": "call meg"}]}
        assert client.post("/v1/utterances", json=first).status_code == 200
        assert ask_back(client, "own-1", "ask-own")["outcome"] == "embedded"

        (port,) = listening(server.process.pid) - {int(server.url.rpartition(":")[2])}
        url = f"http://127.0.0.1:{port}"
        asyncio.run(_refused_with_made_up_credentials(url))
        page = {"Origin": "https://news.example", "X-Amz-Target": "DynamoDB_20120810.Scan"}
        topic = {"Action": "CreateTopic", "Name": "out", "Version": "2010-03-31"}
        scope = "local/20261130/us-east-1/sns/aws4_request"
        form = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"
        with httpx.Client(base_url=url, trust_env=False) as other:
            refused = [
                other.post("/moto-api/reset"),
                other.get("/moto-api/data.json"),
                other.post("/", data=topic, headers={"Authorization": form}),
                other.post("/", json={"TableName": Tables().payload}, headers=page),
                other.options("/", headers=page),
                other.get("/", params={"X-Amz-Credential": scope, "X-Amz-Signature": "0"}),
            ]
        for answer in refused:
            assert answer.status_code == 403
            assert answer.json() == {"__type": "AccessDeniedException", "message": "refused"}
            assert not [name for name in answer.headers if name.startswith("access-control")]

        heard = [{"text": "power"}, {"text": "bauer", "score": -1}]
        second = {"interaction": "own-2", "token": "ask-own", "hypotheses": heard}
        found = client.post("/v1/utterances", json=second).json()
        assert found["context"] == "hit", "the dialogue goes on"
        assert found["text"].lower() == "bauer"


async def _refused_with_made_up_credentials(url: str) -> None:
    async with clients(Endpoint(url, None, LOCAL_REGION, "local", "local")) as (dynamodb, kms):
        for table in (Tables().status, Tables().payload):
            with pytest.raises(ClientError, match="AccessDenied"):
                await dynamodb.scan(TableName=table)
        with pytest.raises(ClientError, match="AccessDenied"):
            await kms.list_keys()


def test_an_assist_pipeline_is_recorded(server: Server) -> None:
    def run(text: str, reply: str, asks: bool) -> Iterator[dict[str, Any]]:
        output = {
            "response": {"speech": {"plain": {"speech": reply}}},
            "conversation_id": "c1",
            "continue_conversation": asks,
        }
        yield {"type": "run-start", "data": {"conversation_id": "c1"}}
        yield {"type": "stt-start", "data": {}}
        yield {"type": "stt-end", "data": {"stt_output": {"text": text}}}
        yield {"type": "intent-end", "data": {"intent_output": output}}
        yield {"type": "run-end", "data": {}}

    with server.client() as client:
        question = "Do you mean Meg Jones or Meg Bauer?"
        for event in run("call meg", question, asks=True):
            told = client.post("/v1/assist", params={"device": "kitchen"}, json=event).json()
        asked = told["interaction"]
        assert client.get(f"/v1/turns/{asked}").json()["outcome"] == "embedded"
        said = [
            client.post("/v1/assist", params={"device": "kitchen"}, json=event).json()
            for event in run("bauer", "Calling.", asks=False)
        ]
        turn = said[-1]["interaction"]
        assert turn != asked
        # What Assist's own recogniser heard, rescored under the context that its question left.
        heard = {"interaction": turn, "record": False, "hypotheses": [
            {"text": "power"}, {"text": "bauer", "score": -1},
        ]}  # fmt: skip
        assert client.post("/v1/utterances", json=heard).json()["text"] == "bauer"
        ignored = client.post("/v1/assist", json={"type": "stt-vad-end"}).json()
        assert ignored == {
            "interaction": None, "recorded": [], "ignored": "it says nothing about the turn",
        }  # fmt: skip


def test_a_wyoming_client_is_understood(server: Server) -> None:
    def sent(number: int) -> bytes:
        form = {"rate": 16_000, "width": 2, "channels": 1}
        sound = pcm(number)
        chunks = [sound[at : at + 3_200] for at in range(0, len(sound), 3_200)]
        messages = [
            Message("transcribe"),
            Message("audio-start", form),
            *(Message("audio-chunk", form, chunk) for chunk in chunks),
            Message("audio-stop"),
        ]
        return b"".join(map(to_bytes, messages))

    def answered(client: httpx.Client, body: bytes) -> Any:
        answer = client.post("/v1/wyoming", params={"device": "hall"}, content=body)
        assert answer.status_code == 200, answer.text
        read = read_message(answer.content)
        return None if read is None else (read.message.type, read.message.data["text"])

    question = {
        "text": "Do you mean Meg Jones or Meg Bauer?", "context": {"continue_conversation": True},
    }  # fmt: skip
    with server.client() as client:
        assert answered(client, sent(2)) == ("transcript", "an hour")
        kind, _ = answered(client, sent(1))
        assert kind == "transcript"
        assert answered(client, to_bytes(Message("synthesize", question))) is None
        assert answered(client, sent(2)) == ("transcript", "bauer")
        for wrong in (sent(1)[:-3], b"{}\n", to_bytes(Message("audio-chunk", {"rate": 8_000}))):
            assert client.post("/v1/wyoming", content=wrong).status_code == 422


def test_the_released_wyoming_package_holds_a_dialogue() -> None:
    """Real sound over TCP; "bauer" is heard as "an hour" where nobody asked."""
    from wyoming_peer import Ping, Played, Synthesize, connected, said

    question = Synthesize(
        text="Do you mean Meg Jones or Meg Bauer?", context={"continue_conversation": True}
    ).event()

    async def dialogue(address: str) -> None:
        assert await said(address, pcm(2), language="en") == "an hour"
        await said(address, pcm(1), language="en")
        async with connected(address) as client:
            for event in (question, Ping().event()):
                await client.write_event(event)
            assert await client.read_event() is not None
        assert await said(address, pcm(2), [Played().event()], language="en") == "bauer"

    with serving("--wyoming", "0", tokens=False) as peers:
        assert peers.process.stdout is not None
        asyncio.run(dialogue(peers.process.stdout.readline().strip()))
        assert peers.end() == 0
        assert "wyoming" in [line["what"] for line in peers.lines()]
        assert "bauer" not in peers.log.read_text().lower()


def test_curl_drives_the_same_dialogue(server: Server, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not on the PATH")
    for number in (1, 2):
        (tmp_path / f"{number}.pcm").write_bytes(pcm(number))

    def curl(path: str, *arguments: str) -> str:
        command = ["curl", "--silent", "--fail-with-body", "--noproxy", "*", "--oauth2-bearer"]
        return subprocess.run(
            [*command, token_of("meg"), *arguments, f"{server.url}{path}"],
            check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip

    def recognised(number: int, event: dict[str, Any]) -> str:
        metadata = tmp_path / "metadata.json"
        metadata.write_text(json.dumps(event))
        return curl(
            "/v20160207/events",
            "--form", f"metadata=<{metadata};type=application/json",
            "--form", f"audio=@{tmp_path / f'{number}.pcm'};type=application/octet-stream",
        )  # fmt: skip

    assert "StopCapture" in recognised(1, recognize("curl-1"))
    typed = ["--header", "Content-Type: application/json"]
    for body in asking_back("curl-1", "ask-curl"):
        told = curl("/v1/records", *typed, "--data", json.dumps(body))
    assert json.loads(told)["outcome"] == "embedded"
    assert '{"text": "bauer"}' in recognised(2, recognize("curl-2", "ask-curl"))
    sound = ["--header", "Content-Type: audio/flac"]
    sound += ["--data-binary", f"@{AUDIO / 'call_meg-2.flac'}"]
    found = json.loads(curl("/v1/recognise?interaction=curl-3&token=ask-curl", *sound))
    assert (found["plain_text"], found["text"]) == ("an hour", "bauer")


# ---------------------------------------------------------------- isolation, forgetting, logs


def test_a_token_opens_its_own_customer_alone(server: Server) -> None:
    with server.client() as meg, server.client("otto") as otto:
        heard = {"interaction": "mine", "hypotheses": [{"text": "call meg"}]}
        assert meg.post("/v1/utterances", json=heard).json()["recorded"]
        assert ask_back(meg, "mine", "ask-mine")["outcome"] == "embedded"
        for rest in ("", "/context", "/phrases"):
            mine, theirs, nobodys = (
                client.get(f"/v1/turns/{turn}{rest}")
                for client, turn in ((meg, "mine"), (otto, "mine"), (otto, "never-was"))
            )
            assert (mine.status_code, theirs.status_code) == (200, 404)
            assert theirs.content == nobodys.content, "no way to tell the two apart"
        answer = {"interaction": "theirs", "token": "ask-mine", "hypotheses": [{"text": "power"}]}
        found = otto.post("/v1/utterances", json=answer).json()
        assert (found["context"], found["reason"]) == (
            "missed", "the asking turn is unknown or expired",
        )  # fmt: skip
        claimed = {"customer": "meg", "message": recognize("mine-2")}
        assert otto.post("/v1/records", json=claimed).status_code == 422

        gone = otto.delete("/v1/customer").json()
        assert gone["status_items"] > 0
        assert otto.get("/v1/turns/theirs").status_code == 404
        assert meg.get("/v1/turns/mine").status_code == 200


def test_without_a_known_token_there_is_no_way_in(server: Server) -> None:
    with httpx.Client(base_url=server.url, trust_env=False) as client:
        for path in ("/healthz", "/readyz", "/openapi.json"):
            assert client.get(path).status_code == 200, path
        for value in (None, "Bearer", "Bearer unknown", f"Basic {token_of('meg')}"):
            headers = {} if value is None else {"Authorization": value}
            for path in ("/v1/turns/mine", "/v1/no-such-path"):
                answer = client.get(path, headers=headers)
                assert answer.status_code == 401, value
                assert answer.headers["www-authenticate"].startswith("Bearer")
                assert answer.headers["content-type"] == "application/problem+json"


def test_the_log_has_ids_and_no_texts(server: Server) -> None:
    with server.client() as client:
        spoken = {"interaction": "logged", "hypotheses": [{"text": "zanzibarcanary"}]}
        client.post("/v1/utterances", json=spoken)
        client.post("/v1/utterances", json=spoken | {"zanzibarcanary": "zanzibarcanary"})
        client.get("/zanzibarcanary?zanzibarcanary=zanzibarcanary")
        client.get("/v1/turns/logged", headers={"zanzibarcanary": "zanzibarcanary"})
    lines = server.lines()
    recorded = [line for line in lines if line.get("interaction") == "logged"]
    assert [line["what"] for line in recorded] == ["recorded", "recorded"]
    assert {"POST /v1/utterances 422", "GET - 404"} <= {
        f"{one['method']} {one['route']} {one['status']}" for one in lines if "route" in one
    }
    assert "zanzibarcanary" not in server.log.read_text()


# ---------------------------------------------------------------- whatever is sent


def test_nothing_that_schemathesis_sends_is_a_fault(server: Server, tmp_path: Path) -> None:
    """No 5xx; statuses, content types, headers and schemas of all answers are as described."""
    fuzz(server, tmp_path, "--max-examples", "15")


# ---------------------------------------------------------------- the end


def test_sigterm_finishes_what_was_received() -> None:
    """Answers come for all that was sent, the turn is settled, and the exit code is 0."""
    answers: dict[str, httpx.Response] = {}
    with serving("--rate", "100000") as running:

        def send(turn: str, customer: str) -> None:
            with running.client(customer) as client:
                answers[turn] = events(client, recognize(turn), pcm(1))

        def sent() -> int:
            return sum(line["what"] == "recorded" for line in running.lines())

        with running.client() as client:
            client.get("/healthz")
            sent_by = [(f"late-{n}", CUSTOMERS[n % 2]) for n in range(4)]  # two of one customer
            threads = [threading.Thread(target=send, args=one) for one in sent_by]
            for thread in threads:
                thread.start()
            looks = 0
            while sent() < len(threads):  # each is recorded when its metadata have come
                client.get("/readyz")
                looks += 1
                assert looks < 10_000, "the requests do not arrive"
            assert len(answers) < len(threads), "decoding takes longer than recording"
            assert running.end(signal.SIGTERM) == 0
        for thread in threads:
            thread.join()
        assert [len(texts(directives(answer))) for answer in answers.values()] == [1] * 4
        assert running.lines()[-1]["what"] in ("stopping", "stopped")
        with pytest.raises(httpx.ConnectError), running.client() as client:
            client.get("/healthz")


def test_an_endpoint_that_does_not_answer_is_wrong_input(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound and not listening: refuses, and nobody else gets it
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        done = subprocess.run(
            [sys.executable, "-m", "ctxasr", "serve", "--port", "0", "--endpoint-url", url],
            env=os.environ | {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"},
            check=False, capture_output=True, text=True,
        )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert url in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
