"""A local Runtime API, and functions that run under the official client against it.

    with Function("record_event", python, [tree], environment, log) as function:
        answer = function.invoke({...}, deadline_ms=3_000)

Source: AWS Lambda Developer Guide, "Using the Lambda runtime API": GET .../invocation/next, POST
.../invocation/{id}/response or .../error, POST .../init/error. One server a function, on loopback.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

START_S_MAX: Final = 60.0
"""A function that has not asked for its first invocation by then will not."""

ANSWER_S_MAX: Final = 60.0
"""Longer than any deadline that the check sets."""

INVOKED_S_MAX: Final = 30.0
"""A function that is free takes its next invocation within this."""


class Crashed(Exception):
    """The process ended before it answered."""


@dataclass
class Answer:
    """How an invocation ended; `error` is what the client reported."""

    value: Any = None
    error: dict[str, Any] | None = None
    took_ms: float = 0.0
    left_ms: float = 0.0
    """Of its deadline, when it answered."""


@dataclass
class _Invocation:
    event: Any
    deadline_ms: float
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    trace: str = field(default_factory=lambda: f"1-{uuid.uuid4().hex[:8]}-{uuid.uuid4().hex[:24]}")
    began_s: float = 0.0
    deadline_epoch_ms: float = 0.0
    answer: Answer = field(default_factory=Answer)
    taken: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)


class Quiet(BaseHTTPRequestHandler):
    """HTTP/1.1 without log lines; answers in one packet."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nobody reads them."""

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def reply(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


class Server(ThreadingHTTPServer):
    """One thread a connection."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that was killed, or ran out of time, is gone: that is the test."""


class RuntimeApi:
    """One function's Runtime API."""

    def __init__(self) -> None:
        api = self
        self.waiting: queue.Queue[_Invocation | None] = queue.Queue()
        self.running: dict[str, _Invocation] = {}
        self.ready = threading.Event()
        self.init_error: dict[str, Any] | None = None

        class Handler(Quiet):
            def do_GET(self) -> None:
                api.ready.set()
                one = api.waiting.get()
                if one is None:
                    self.close_connection = True
                    return
                api.running[one.id] = one
                one.deadline_epoch_ms = time.time() * 1_000.0 + one.deadline_ms
                body = json.dumps(one.event).encode()
                one.began_s = time.perf_counter()
                one.taken.set()
                trace = f"Root={one.trace};Parent={one.id[:8]}{one.id[-8:]};Sampled=1"
                self.reply(
                    200, body, Content_Type="application/json",
                    Lambda_Runtime_Aws_Request_Id=one.id,
                    Lambda_Runtime_Deadline_Ms=str(int(one.deadline_epoch_ms)),
                    Lambda_Runtime_Invoked_Function_Arn="arn:aws:lambda:us-east-1:0:function:local",
                    Lambda_Runtime_Trace_Id=trace,
                )  # fmt: skip

            def do_POST(self) -> None:
                now_s, body = time.perf_counter(), json.loads(self.body() or b"null")
                *_, name, kind = self.path.split("/")
                if name == "init":
                    api.init_error = body
                    api.ready.set()
                elif name in api.running:
                    one = api.running.pop(name)
                    one.answer.took_ms = (now_s - one.began_s) * 1_000.0
                    one.answer.left_ms = one.deadline_epoch_ms - time.time() * 1_000.0
                    if kind == "response":
                        one.answer.value = body
                    else:
                        one.answer.error = body
                    one.done.set()
                self.reply(202, b'{"status": "OK"}', Content_Type="application/json")

        self.server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.server_port}"

    def close(self) -> None:
        """Let go of whoever waits for work."""
        self.waiting.put(None)
        self.server.shutdown()
        self.server.server_close()


class Function:
    """One process that runs one handler under the client."""

    def __init__(
        self,
        name: str,
        python: Path,
        path: Sequence[Path],
        environment: Mapping[str, str],
        log: Path,
    ) -> None:
        self.name, self._python, self._log = name, python, log
        self._path, self._environment = path, environment
        self.init_ms = 0.0
        self.init_cpu_ms: float | None = None

    def __enter__(self) -> Self:
        self.api = RuntimeApi()
        handler = f"ctxasr.lambdas.{self.name}"
        environment = {
            **self._environment,
            "PYTHONPATH": ":".join(map(str, self._path)),
            "AWS_LAMBDA_RUNTIME_API": self.api.address,
            "AWS_LAMBDA_FUNCTION_NAME": self.name,
            "LAMBDA_TASK_ROOT": str(self._path[0]),
            "_HANDLER": handler,
        }
        self._out = self._log.open("ab")
        self.began_s = time.perf_counter()
        self.process = subprocess.Popen(  # noqa: S603
            [self._python, "-m", "awslambdaric", handler],
            cwd=self._path[0], env=environment, stdin=subprocess.DEVNULL, stdout=self._out,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
        ready = self.api.ready.wait(START_S_MAX)
        self.init_ms = (time.perf_counter() - self.began_s) * 1_000.0
        self.init_cpu_ms = self.cpu_ms()
        if not ready or self.api.init_error is not None:
            self.__exit__(None, None, None)
            raise SystemExit(f"{self.name} did not start: {self.api.init_error}; see {self._log}")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
        self.api.close()
        self._out.close()

    def cpu_ms(self) -> float | None:
        """What the process has used so far, which other processes do not change; on Linux."""
        try:
            stat = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii")
        except OSError:
            return None
        ticks = stat.rpartition(")")[2].split()[11:13]  # utime and stime, see proc(5)
        return sum(map(int, ticks)) * 1_000.0 / os.sysconf("SC_CLK_TCK")

    def kill(self) -> None:
        """As Lambda does it: without a word."""
        self.process.kill()
        self.process.wait()

    def begin(self, event: Any, deadline_ms: float = 30_000.0) -> _Invocation:
        """Hand in an invocation; returns when the function has taken it."""
        one = _Invocation(event, deadline_ms)
        self.api.waiting.put(one)
        if not one.taken.wait(INVOKED_S_MAX):
            raise Crashed(f"{self.name} takes no invocation")
        return one

    def finish(self, one: _Invocation) -> Answer:
        """Wait for its answer.

        Raises:
            Crashed: the process ended first.
        """
        until_s = time.perf_counter() + ANSWER_S_MAX
        while not one.done.wait(0.05):
            if self.process.poll() is not None or time.perf_counter() > until_s:
                raise Crashed(f"{self.name} gave no answer")
        return one.answer

    def invoke(self, event: Any, deadline_ms: float = 30_000.0) -> Answer:
        """One invocation, from handing in to its answer."""
        return self.finish(self.begin(event, deadline_ms))

    def ask(self, event: Any) -> Any:
        """The answer of an invocation that has to succeed."""
        answer = self.invoke(event)
        if answer.error is not None:
            raise SystemExit(f"{self.name} failed: {answer.error.get('errorMessage')}")
        return answer.value
