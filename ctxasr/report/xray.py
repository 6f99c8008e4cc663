"""Traces in AWS X-Ray's own format: a tree of subsegments an invocation, sent to its daemon.

    rescore                        the handler, below the segment that Lambda makes
     +-- rescore turn-2            what was done for one interaction; annotated with it
          +-- status.read          a call of a port
          +-- payload.get_blob

Powertools' Tracer stands on the SDK for X-Ray, which is in maintenance, keeps the current
subsegment by thread (the records of a batch are tasks of one thread), writes messages of exceptions
into traces, and makes a client at import: 80 ms of a cold start. The format is small and public:
AWS X-Ray Developer Guide, "Segment documents" and "Sending trace data to the daemon" (by UDP).

Without a daemon, or where the request is not sampled, nothing is sent and nothing fails.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

from ctxasr.ports import Clock

SPANS_MAX: Final = 200
"""Subsegments of one invocation; with ids of usual length they fit into one UDP packet."""

PACKET_BYTES_MAX: Final = 65_000
"""What the daemon reads; a larger tree is sent without its leaves."""

ANNOTATION_CHARS_MAX: Final = 1_000
"""X-Ray's limit."""

TRACE_HEADER: Final = "_X_AMZN_TRACE_ID"
DAEMON: Final = "AWS_XRAY_DAEMON_ADDRESS"

_PREFIX: Final = b'{"format": "json", "version": 1}\n'


@dataclass(slots=True)
class _Tree:
    """What of one invocation is noted: a subsegment, and how many there are in the whole tree."""

    document: dict[str, Any]
    count: list[int] = field(default_factory=lambda: [1])


class Traces:
    """Spans of the invocation that runs; tasks inherit the span that they were started in."""

    def __init__(self, clock: Clock, environment: Mapping[str, str] = os.environ) -> None:
        self._clock, self._environment = clock, environment
        self._current: ContextVar[_Tree | None] = ContextVar("span", default=None)
        self._socket: socket.socket | None = None

    @contextmanager
    def invocation(self, name: str) -> Iterator[None]:
        """The root: noted if Lambda's header says that this request is sampled."""
        header = dict(
            part.split("=", 1)
            for part in self._environment.get(TRACE_HEADER, "").split(";")
            if "=" in part
        )
        if header.get("Sampled") != "1" or not header.get("Root") or not header.get("Parent"):
            yield
            return
        document = self._begin(name)
        document |= {
            "type": "subsegment", "trace_id": header["Root"], "parent_id": header["Parent"],
        }  # fmt: skip
        try:
            with self._within(_Tree(document)):
                yield
        finally:  # one that failed is looked for first
            self._send(document)

    @contextmanager
    def span(self, name: str, **annotations: str) -> Iterator[None]:
        """A child of the span that runs; nothing where none runs or SPANS_MAX are noted."""
        parent = self._current.get()
        if parent is None or parent.count[0] >= SPANS_MAX:
            yield
            return
        document = self._begin(name)
        if annotations:
            document["annotations"] = {
                key: value[:ANNOTATION_CHARS_MAX] for key, value in annotations.items()
            }
        parent.document.setdefault("subsegments", []).append(document)
        parent.count[0] += 1
        with self._within(_Tree(document, parent.count)):
            yield

    @contextmanager
    def _within(self, tree: _Tree) -> Iterator[None]:
        token = self._current.set(tree)
        try:
            yield
        except BaseException as error:  # its type alone: its message may hold a text
            tree.document["fault"] = True
            tree.document.setdefault("annotations", {})["error"] = type(error).__name__
            raise
        finally:
            tree.document["end_time"] = self._clock.now_ms() / 1_000.0
            self._current.reset(token)

    def _begin(self, name: str) -> dict[str, Any]:
        started_s = self._clock.now_ms() / 1_000.0
        return {"name": name, "id": secrets.token_hex(8), "start_time": started_s}

    def _send(self, document: dict[str, Any]) -> None:
        packet = _PREFIX + json.dumps(document).encode()
        if len(packet) > PACKET_BYTES_MAX:
            children = document.get("subsegments", [])
            bare = [{k: v for k, v in one.items() if k != "subsegments"} for one in children]
            packet = _PREFIX + json.dumps(document | {"subsegments": bare}).encode()
        with suppress(OSError, ValueError):  # no daemon, an odd address, or still too large
            if self._socket is None:
                host, port = _address(self._environment.get(DAEMON, ""))
                self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                self._socket.setblocking(False)
                self._socket.connect((host, port))
            self._socket.send(packet)

    def close(self) -> None:
        """Give the socket back."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _address(text: str) -> tuple[str, int]:
    """ "127.0.0.1:2000", or "tcp:host:port udp:host:port"."""
    for part in text.split():
        text = part.removeprefix("udp:") if part.startswith("udp:") else text
    host, _, port = text.rpartition(":")
    return host or "127.0.0.1", int(port or 2000)
