"""`ctxasr serve` in a process of its own, as users run it, and a dialogue to drive it with."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[2]
AUDIO = ROOT / "scenarios" / "audio"
CUSTOMERS = ("meg", "otto", "fuzz")
END_S = 60.0
"""A server that has not ended by then is killed: the machine may be busy."""


@dataclass(frozen=True)
class Server:
    """A running server, and where it logs."""

    url: str
    process: subprocess.Popen[str]
    log: Path

    def client(self, customer: str = "meg") -> httpx.Client:
        headers = {"Authorization": f"Bearer {token_of(customer)}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=END_S, trust_env=False)

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(END_S)

    def lines(self) -> list[dict[str, Any]]:
        """What it has logged so far."""
        text = self.log.read_text()
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def token_of(customer: str) -> str:
    return f"token-of-{customer}"


def tokens_file(folder: Path) -> Path:
    path = folder / "tokens.yaml"
    hashes = {hashlib.sha256(token_of(name).encode()).hexdigest(): name for name in CUSTOMERS}
    path.write_text("".join(f'"{digest}": {name}\n' for digest, name in hashes.items()))
    path.chmod(0o600)
    return path


@contextmanager
def serving(*options: str, tokens: bool = True, **environment: str) -> Iterator[Server]:
    """A server on a free port of loopback, with tokens for CUSTOMERS or the one of this run."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = [sys.executable, "-m", "ctxasr", "serve", "--port", "0"]
        command += ["--tokens", str(tokens_file(folder))] if tokens else []
        log = folder / "log"
        given = {"CTXASR_READ_BUDGET_MS": "20000"}  # a busy machine is not what these are about
        with log.open("w") as stderr:
            process = subprocess.Popen(
                [*command, *options],
                cwd=ROOT,
                env=os.environ | given | environment,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip()
            assert re.match(r"https?://127\.0\.0\.1:", url), log.read_text()
            yield Server(url, process, log)
        finally:
            if process.poll() is None:
                process.terminate()
            try:
                process.wait(END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()


def listening(pid: int) -> set[int]:
    """The TCP ports on which a process listens, as anybody on this machine can find them."""
    links = [os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir()]
    inodes = {found[1] for link in links if (found := re.fullmatch(r"socket:\[(\d+)\]", link))}
    ports = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            if state == "0A" and inode in inodes:
                ports.add(int(local.rpartition(":")[2], 16))
    return ports


# ---------------------------------------------------------------- call Meg


@cache
def pcm(number: int) -> bytes:
    """16 kHz, 16 bits, mono, without a header: as AVS clients send it."""
    from ctxasr.speech.audio import load_samples

    return load_samples(AUDIO / f"call_meg-{number}.flac").samples.astype("<i2").tobytes()


def message(form: str, full_name: str, turn: str, **payload: Any) -> dict[str, Any]:
    namespace, name = full_name.split(".")
    header = {
        "namespace": namespace, "name": name, "messageId": f"{turn}-{name}",
        "dialogRequestId": turn,
    }  # fmt: skip
    return {form: {"header": header, "payload": payload}}


def recognize(turn: str, token: str | None = None) -> dict[str, Any]:
    initiator: dict[str, Any] = {"type": "WAKEWORD"}
    if token is not None:
        initiator = {"type": "FOLLOW_UP", "payload": {"token": token}}
    form = "AUDIO_L16_RATE_16000_CHANNELS_1"
    found = message(
        "event", "SpeechRecognizer.Recognize", turn,
        profile="NEAR_FIELD", format=form, initiator=initiator,
    )  # fmt: skip
    return {"context": [], **found}


def asking_back(turn: str, token: str) -> list[dict[str, Any]]:
    """What the orchestrator tells of a turn that asks which Meg: bodies for /v1/records."""
    names = ["Meg Jones", "Meg Bauer"]
    initiator = {"type": "FOLLOW_UP", "payload": {"token": token}}

    def directive(full_name: str, **payload: Any) -> dict[str, Any]:
        return {"message": message("directive", full_name, turn, **payload)}

    return [
        directive("ContextText.Entities", kind="contact", values=names),
        directive(
            "SpeechSynthesizer.Speak",
            url="cid:1", format="AUDIO_MPEG", token=f"speech-{turn}",
        ),
        directive(
            "ContextText.Reply",
            text="Do you mean Meg Jones or Meg Bauer?", durationInMilliseconds=60_000,
        ),
        directive("SpeechRecognizer.ExpectSpeech", timeoutInMilliseconds=8_000, initiator=initiator)
        | {"service_payloads": 1},
    ]  # fmt: skip


def ask_back(client: httpx.Client, turn: str, token: str) -> dict[str, Any]:
    """Tell it, and return the answer to the last one: the turn is settled by then."""
    for body in asking_back(turn, token):
        answer = client.post("/v1/records", json=body)
        assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def directives(answer: httpx.Response) -> list[dict[str, Any]]:
    """The parts of a multipart/related answer, by the stock MIME parser."""
    from email import message_from_bytes
    from email.policy import HTTP

    head = f"Content-Type: {answer.headers['content-type']}\r\n\r\n".encode()
    parsed = message_from_bytes(head + answer.content, policy=HTTP)
    assert parsed.get_content_type() == "multipart/related"
    return [json.loads(part.get_payload(decode=True)) for part in parsed.iter_parts()]  # type: ignore[arg-type]


def texts(found: list[dict[str, Any]]) -> list[str]:
    """What the utterance directives say."""
    messages = [one["directive"] for one in found]
    return [m["payload"]["text"] for m in messages if m["header"]["name"] == "Utterance"]


def minted(stderr: str) -> str:
    """The token that a run without a file has shown."""
    match = re.search(r"the token of this run, for customer local: (\S+)", stderr)
    assert match is not None, stderr
    return match[1]


# ---------------------------------------------------------------- whatever is sent

CONFIG = """\
[checks]
negative_data_rejection.expected-statuses = [400, 401, 404, 405, 408, 413, 414, 415, 422, 431]
positive_data_acceptance.enabled = false
"""
"""A wrong request may be too large as well; half a sample or an empty envelope fits any schema."""


def fuzz(server: Server, folder: Path, *options: str) -> str:
    """Schemathesis reads `/openapi.json` and tries what it finds, and what it must not find.

    No 5xx; statuses, content types, headers and schemas of all answers are as described. Returns
    the line that says how many cases there were.
    """
    with server.client("fuzz") as client:  # the turn that the description's examples name
        spoken = {"interaction": "d1", "hypotheses": [{"text": "call meg"}]}
        assert client.post("/v1/utterances", json=spoken).status_code == 200
        assert ask_back(client, "d1", "ask-d1")["outcome"] == "embedded"
    config = folder / "schemathesis.toml"
    config.write_text(CONFIG)
    done = subprocess.run(
        [
            sys.executable, "-m", "schemathesis.cli",
            "--config-file", str(config), "run", f"{server.url}/openapi.json",
            "--header", f"Authorization: Bearer {token_of('fuzz')}",
            "--suppress-health-check", "all", "--seed", "1", "--no-color", *options,
        ],
        check=False, cwd=folder, env=os.environ | {"NO_PROXY": "*"},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Tested: 14" in done.stdout
    codes = Counter(line.get("status", 0) // 100 for line in server.lines())
    assert codes[2] > 50, "some of it was right"
    assert codes[4] > 200
    assert codes[5] == 0
    return next(line.strip() for line in done.stdout.splitlines() if " generated, " in line)
