"""Finished blocks in a file, so that a run that was stopped can go on.

    {"format": 2, "version": "0.1.0", "code": "5f0c...", "command": "ctxasr simulate ...",
     "prices": {...}, "questions": 1}
    {"dialogues": 10000, "seed": 1, ...}                      one line a question
    {"question": 0, "block": 3, "found": {...}}               one line a block, as they finish

A line that was torn off by whatever stopped the run is dropped; its block is simulated again. An
open checkpoint is locked, so that no two runs write it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import IO, Any, Final, Self

import ctxasr
from ctxasr import __version__
from ctxasr.errors import InputError, LimitExceeded
from ctxasr.evaluate.costs.prices import Prices, prices_from
from ctxasr.evaluate.fleet.asking import POINTS_MAX
from ctxasr.evaluate.fleet.crews import Job
from ctxasr.sim.fleet.blocks import Block
from ctxasr.sim.fleet.question import Question

FORMAT: Final = 2

LINE_BYTES_MAX: Final = 16_777_216
"""Of a checkpoint's line: a block takes some ten kB, a question with a fitted workload 200."""

DIFFERENCES_MAX: Final = 5
"""Differences that are named."""

SHORT_CHARS: Final = 60


class Checkpoint:
    """An open checkpoint: what it belongs to (command, questions, prices), the jobs done."""

    def __init__(
        self, path: Path, file: IO[bytes], command: str, questions: list[Question], prices: Prices
    ) -> None:
        self.path, self.command, self.questions = path, command, questions
        self.prices = prices
        self._file = file
        self._places: dict[Job, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __contains__(self, job: Job) -> bool:
        return job in self._places

    def __len__(self) -> int:
        return len(self._places)

    @classmethod
    def create(
        cls,
        path: Path,
        command: str,
        questions: Sequence[Question],
        prices: Prices | None = None,
    ) -> Self:
        """A new file.

        Raises:
            InputError: there is one of this name; LimitExceeded: LINE_BYTES_MAX.
            OSError: it cannot be written.
        """
        try:
            file = path.open("xb", buffering=0)
        except FileExistsError:
            raise InputError(
                f"{path}: exists already; --resume {path} goes on with it, or choose another name"
            ) from None
        prices = prices or Prices()
        made = cls(path, file, command, list(questions), prices)
        head = {"format": FORMAT, "version": __version__, "code": code(), "command": command}
        try:
            _lock(file, path)
            made._write(head | {"prices": prices.to_json(), "questions": len(questions)})
            for question in questions:
                made._write(question.to_dict())
        except BaseException:
            made.close()
            path.unlink(missing_ok=True)
            raise
        return made

    @classmethod
    def load(cls, path: Path) -> Self:
        """Go on with a file: find its blocks, cut off what was torn.

        Raises:
            InputError: it is none, of another version or other code, or in use.
            OSError: it cannot be read or written.
        """
        try:
            file = path.open("r+b", buffering=0)
        except FileNotFoundError:
            raise InputError(f"{path}: there is no such checkpoint") from None
        try:
            _lock(file, path)
            return cls._read(path, file)
        except BaseException:
            file.close()
            raise

    @classmethod
    def _read(cls, path: Path, file: IO[bytes]) -> Self:
        with path.open("rb") as lines:
            head = _parsed(_line(lines, path)) or {}
            if head.get("format") != FORMAT or head.get("version") != __version__:
                raise InputError(
                    f"{path}: no checkpoint of ctxasr {__version__}, as --checkpoint writes it"
                )
            if head.get("code") != code():
                raise InputError(
                    f"{path}: its blocks were computed by other code than this, of the same "
                    "version: go back to that code, or begin anew"
                )
            priced = head.get("prices")
            prices = prices_from(priced if isinstance(priced, dict) else {}, str(path))
            count = head.get("questions")
            several = range(count if isinstance(count, int) and count <= POINTS_MAX else 0)
            documents = [_parsed(_line(lines, path)) or {} for _ in several]
            try:
                questions = [Question.from_dict(one) for one in documents]
            except (KeyError, TypeError, ValueError, AttributeError, InputError):
                questions = []
            if not questions:
                raise InputError(f"{path}: its questions cannot be read")
            found = cls(path, file, str(head.get("command")), questions, prices)
            place = lines.tell()
            while line := _line(lines, path):
                if not line.endswith(b"\n"):
                    break  # torn off
                found._places[_job(_parsed(line) or {}, found, path)] = place
                place = lines.tell()
        file.truncate(place)
        file.seek(place)
        return found

    def add(self, job: Job, block: Block) -> None:
        """Keep a finished block; when this returns it is in the file.

        Raises:
            OSError: the disk is full or the like; the blocks before it are kept.
        """
        place = self._file.tell()
        self._write({"question": job.question, "block": job.block, "found": block.to_dict()})
        self._places[job] = place

    def get(self, job: Job) -> Block:
        """A block that is done."""
        with self.path.open("rb") as lines:
            lines.seek(self._places[job])
            entry = _parsed(_line(lines, self.path))
        if entry is None or (entry.get("question"), entry.get("block")) != job:
            raise InputError(f"{self.path}: was changed while it was in use")
        return Block.from_dict(entry["found"])

    def close(self) -> None:
        """Nothing more is added."""
        self._file.close()

    def _write(self, document: dict[str, Any]) -> None:
        line = json.dumps(document, separators=(",", ":")).encode() + b"\n"
        _hold(line, self.path)
        try:
            while line:
                line = line[self._file.write(line) :]
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.path)) from None


@cache
def code() -> str:
    """16 hex digits of the package's sources: which code computes blocks."""
    found, root = hashlib.sha256(), Path(ctxasr.__file__).parent
    for path in sorted(root.rglob("*.py")):
        text = path.read_bytes()
        found.update(f"{path.relative_to(root).as_posix()} {len(text)}\n".encode() + text)
    return found.hexdigest()[:16]


def _lock(file: IO[bytes], path: Path) -> None:
    """Until it is closed, or the process ends."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InputError(f"{path}: is in use by another run") from None
    except OSError:
        pass  # a file system without locks


def differences(one: Sequence[Question], other: Sequence[Question]) -> list[str]:
    """In what two rows of questions differ, in words; at most DIFFERENCES_MAX."""
    if len(one) != len(other):
        return [f"{len(one)} questions, not {len(other)}"]
    found: list[str] = []
    for mine, others in zip(one, other, strict=True):
        left, right = (_flat(question.to_dict()) for question in (mine, others))
        for name in left.keys() | right.keys():
            if left.get(name) != right.get(name):
                found.append(f"{name} {_short(left.get(name))}, not {_short(right.get(name))}")
    return sorted(dict.fromkeys(found))[:DIFFERENCES_MAX]


def _flat(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in document.items():
        if name in ("workload", "latencies"):
            found |= _flat(value)
        else:
            found[name] = value
    return found


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= SHORT_CHARS else f"{text[:SHORT_CHARS]}..."


def _line(lines: IO[bytes], path: Path) -> bytes:
    line = lines.readline(LINE_BYTES_MAX + 1)
    _hold(line, path)
    return line


def _hold(line: bytes, path: Path) -> None:
    if len(line) > LINE_BYTES_MAX:
        raise LimitExceeded("LINE_BYTES_MAX", LINE_BYTES_MAX, len(line), str(path))


def _parsed(line: bytes) -> dict[str, Any] | None:
    """None: torn off, or no JSON object."""
    if not line.endswith(b"\n"):
        return None
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _job(entry: dict[str, Any], checkpoint: Checkpoint, path: Path) -> Job:
    try:
        job = Job(int(entry["question"]), int(entry["block"]))
        Block.from_dict(entry["found"])
        known = 0 <= job.block < checkpoint.questions[job.question].blocks
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        known = False
    if not known:
        raise InputError(f"{path}: holds a line that is no block of its questions")
    return job
