"""alexa-client 1.5.1, the released package, holds a dialogue with context with `ctxasr serve`."""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx

from integration.certificates import certificate
from integration.serving import ROOT, ask_back, pcm, serving, token_of

CLIENT = ROOT / "tests" / "avs_client"


class Login(BaseHTTPRequestHandler):
    """Where AVS clients get their token; here everybody is Meg."""

    def do_POST(self) -> None:
        body = json.dumps({"access_token": token_of("meg")}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


@contextmanager
def login() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Login)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def client(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    python = CLIENT / ".venv" / "bin" / "python"
    assert python.exists(), "tests/avs_client/.venv is missing: `make test` makes it"
    running = subprocess.Popen(
        [str(python), "-W", "ignore", str(CLIENT / "dialogue.py"), *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={"NO_PROXY": "*"},
    )  # fmt: skip
    try:
        with running:
            yield running
    finally:
        running.kill()


def test_alexa_client_holds_a_dialogue_with_context(tmp_path: Path) -> None:
    chain, key = certificate(tmp_path)
    sounds = []
    for number in (1, 2):
        sounds.append(tmp_path / f"{number}.pcm")
        sounds[-1].write_bytes(pcm(number))
    options = ("--tls-cert", str(chain), "--tls-key", str(key), "--read-budget-ms", "20000")
    # The option goes before the variable.
    with serving(*options, CTXASR_READ_BUDGET_MS="0") as server, login() as token_url:
        address = server.url.removeprefix("https://")
        with client(address, str(chain), token_url) as avs:
            assert avs.stdin is not None
            assert avs.stdout is not None
            assert avs.stderr is not None

            def told() -> str:
                line = avs.stdout.readline().strip() if avs.stdout else ""
                assert line, avs.stderr.read() if avs.stderr else ""
                return line

            def said(sound: Path) -> tuple[str, str]:
                """The text, and the turn that it belongs to."""
                assert avs.stdin is not None
                avs.stdin.write(f"{sound}\n")
                avs.stdin.flush()
                stop, utterance = json.loads(told())
                assert stop["header"]["name"] == "StopCapture"
                return utterance["payload"]["text"], utterance["header"]["dialogRequestId"]

            assert told() == "connected"
            assert said(sounds[0])[1] == "d1"
            headers = {"Authorization": f"Bearer {token_of('meg')}"}
            trust = ssl.create_default_context(cafile=chain)
            with httpx.Client(
                base_url=server.url, headers=headers, verify=trust, trust_env=False, timeout=60
            ) as service:
                assert ask_back(service, "d1", "ask-d1")["outcome"] == "embedded"
                text, turn = said(sounds[1])
                assert text == "bauer", "under the id of the asking turn, and without a token"
                assert turn != "d1"
                found = service.get(f"/v1/turns/{turn}").json()
                assert found["payloads"] == {"utterance": 1}
            avs.stdin.close()
            assert avs.wait(60) == 0
        assert server.end() == 0
        routes = [(line["route"], line["status"]) for line in server.lines() if "route" in line]
    assert ("/v20160207/directives", 200) in routes, "its downchannel ended with it"
    assert ("/v20160207/events", 204) in routes, "System.SynchronizeState without a messageId"
    assert routes.count(("/ping", 204)) == 2
