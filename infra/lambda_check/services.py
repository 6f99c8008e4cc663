"""What the functions call, on loopback: Lambda's Invoke, one SQS queue, the daemon of X-Ray.

Invoke hands on to the function that embeds, one call at a time; `stall` holds it up, as a slow or
dead function would. The queue keeps what it is sent, and what it is to hide for how long.
"""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from collections.abc import Callable
from typing import Any

from infra.lambda_check.runtime import Answer, Quiet, Server

Invoke = Callable[[Any], Answer]


class Services:
    """Both HTTP services on one port; `url` is the endpoint of either."""

    def __init__(self, embed: Invoke) -> None:
        services = self
        self.embed = embed
        self.sent: list[dict[str, Any]] = []
        self.hidden: list[dict[str, Any]] = []
        self.invoked: list[bytes] = []
        self.embed_ms: list[float] = []
        self.stalled, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()
        self._one = threading.Lock()

        class Handler(Quiet):
            def do_POST(self) -> None:  # noqa: N802
                body = self.body()
                if "X-Amz-Target" in self.headers:
                    hides = self.headers["X-Amz-Target"].endswith(".ChangeMessageVisibility")
                    answer = services.hide(body) if hides else services.queue(body)
                    self.reply(200, answer, Content_Type="application/x-amz-json-1.0")
                    return
                status, told, headers = services.call(body)
                self.reply(status, told, Content_Type="application/json", **headers)

        self.server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def stall(self) -> None:
        """Calls of the embedding function wait until `resume`."""
        self.stalled.clear()
        self.go_on.clear()

    def resume(self) -> None:
        self.go_on.set()

    def call(self, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        if not self.go_on.is_set():
            self.stalled.set()
            self.go_on.wait()
            return 503, b'{"Message": "stalled"}', {}
        self.invoked.append(body)
        with self._one:
            answer = self.embed(json.loads(body))
        self.embed_ms.append(answer.took_ms)
        failed = {"X_Amz_Function_Error": "Unhandled"} if answer.error is not None else {}
        return 200, json.dumps(answer.error or answer.value).encode(), failed

    def hide(self, body: bytes) -> bytes:
        self.hidden.append(json.loads(body))
        return b"{}"

    def queue(self, body: bytes) -> bytes:
        message = json.loads(body)
        self.sent.append(message)
        digest = hashlib.md5(message["MessageBody"].encode(), usedforsecurity=False).hexdigest()
        return json.dumps({"MessageId": str(len(self.sent)), "MD5OfMessageBody": digest}).encode()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class XRay:
    """Keeps the documents that come by UDP."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.packets: list[bytes] = []
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._socket.getsockname()[1]}"

    def _listen(self) -> None:
        while True:
            try:
                self.packets.append(self._socket.recv(65_536))
            except OSError:
                return

    def documents(self) -> list[dict[str, Any]]:
        """The subsegments, without the line that leads each packet."""
        return [json.loads(packet.split(b"\n", 1)[1]) for packet in list(self.packets)]

    def close(self) -> None:
        self._socket.close()
