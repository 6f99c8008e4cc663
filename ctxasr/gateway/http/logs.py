"""One JSON object a line on stderr: what happened to which interaction, in names and numbers.

    {"at_ms": 1790000000000, "level": "INFO", "what": "request", "customer": "meg",
     "method": "POST", "route": "/v1/records", "status": 200, "took_ms": 6.1}

Routes stand for paths, so that what a client puts into a URL stays out. Of an exception there is
its class and its place; of other libraries, which may quote anything, no more than that they spoke.
"""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from ctxasr.events import TurnKey

LOGGER: Final = logging.getLogger("ctxasr.serve")

_TRUSTED: Final = "ctxasr."
_SERVER: Final = "uvicorn."
"""Its own messages are fixed texts and numbers."""


class JsonLines(logging.Formatter):
    """Formats records as the module says."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {"at_ms": round(record.created * 1_000), "level": record.levelname}
        if record.name.startswith(_TRUSTED):
            line["what"] = record.msg
            line |= record.__dict__.get("facts", {})
        else:
            line |= {"what": "library", "logger": record.name}
            if record.name.startswith(_SERVER):
                line["message"] = record.getMessage().strip()
        if record.exc_info and record.exc_info[1] is not None:
            line |= place_of(record.exc_info[1])
        return json.dumps(line)


class Logged:
    """Telemetry into the log: points as lines, spans not at all."""

    def point(self, name: str, turn: TurnKey, **facts: Any) -> None:
        facts = {"began_ms" if key == "at_ms" else key: value for key, value in facts.items()}
        log(name, customer=turn.customer, interaction=turn.interaction, **facts)

    @contextmanager
    def span(self, name: str, turn: TurnKey, **facts: Any) -> Iterator[None]:
        yield


def log(what: str, level: int = logging.INFO, /, **facts: Any) -> None:
    """A line of the door's own. `facts` are names and numbers."""
    LOGGER.log(level, what, extra={"facts": facts})


def place_of(error: BaseException) -> dict[str, str]:
    """The class of an exception and where it was raised; never its text."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return {"error": type(error).__name__, "at": where}


def to_stderr() -> None:
    """All logging of this process goes to stderr in this form; libraries only from WARNING."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.root.handlers = [handler]
    logging.root.setLevel(logging.WARNING)
    LOGGER.setLevel(logging.INFO)
