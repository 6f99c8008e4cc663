"""Where a command writes: stdout that may close, files that appear whole or not at all, errors.

exit code 0    all is well            70   a fault of this program
          1    something did not hold  74   the disk is full or the like
          2    wrong input            130   Ctrl-C
                                      141   whoever read stdout has gone (`| head`)
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from rich.console import Console

from ctxasr.errors import CtxasrError, InputError, first_error
from ctxasr.report.requirements import advice

OK: Final = 0
FAILED: Final = 1
WRONG_INPUT: Final = 2
FAULT: Final = 70
DISK: Final = 74
STOPPED: Final = 130
READER_GONE: Final = 141
"""What a shell reports of programs that SIGPIPE ends."""

DEBUG_VARIABLE: Final = "CTXASR_DEBUG"


class ReaderGone(Exception):
    """Whoever read stdout has closed it; an OSError would be taken for a failure of the command."""


class Out(Console):
    """A console on stdout that lets a broken pipe be seen: rich would exit with 1, 'failed'."""

    def on_broken_pipe(self) -> None:
        raise ReaderGone from None


def print_text(text: str) -> None:
    """Write `text` to stdout at once, as it is."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise ReaderGone from None


def print_json(value: object) -> None:
    """One line of JSON in ASCII: it passes through any terminal and pipe."""
    print_text(json.dumps(value) + "\n")


def say(message: str) -> None:
    """A line for people, on stderr. Control characters in file names do nothing.

    Where nobody reads stderr any more, or its disk is full, the work and its exit code stay.
    """
    clean = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in message)
    with suppress(OSError):
        print(f"ctxasr: {clean}", file=sys.stderr, flush=True)


def exit_code_of(error: BaseException) -> int:
    """Tell people what happened, in one line, and return the exit code for it."""
    error = first_error(error)
    debug = os.environ.get(DEBUG_VARIABLE) == "1"
    if debug:
        traceback.print_exception(error)
    if isinstance(error, KeyboardInterrupt):
        say("stopped")
        return STOPPED
    if isinstance(error, ReaderGone):
        abandon_stdout()
        return READER_GONE
    if isinstance(error, CtxasrError):
        say(str(error))
        return WRONG_INPUT
    if isinstance(error, ImportError) and (wanted := advice(error)) is not None:
        say(wanted)
        return WRONG_INPUT
    if type(error).__name__ == "SafetensorError":  # its own name for a full disk when saving
        say(f"weights cannot be written ({error})")
        return DISK
    if isinstance(error, OSError) and error.strerror:
        abandon_stdout()
        where = f"{error.filename}: " if error.filename else ""
        say(f"{where}cannot be read or written ({error.strerror})")
        return DISK
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    hint = "" if debug else f"; {DEBUG_VARIABLE}=1 shows the traceback"
    say(f"internal error: {type(error).__name__}{where}{hint}")  # its text may hold what was said
    return FAULT


def abandon_stdout() -> None:
    """Send what is still buffered nowhere: flushing it at exit would fail once more."""
    with suppress(OSError, ValueError):  # in tests there is no real stdout
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def write_new(path: Path, text: str) -> None:
    """Write a file that does not exist yet: whole, or not at all.

    Raises:
        InputError: it exists already.
        OSError: it cannot be written.
    """
    if path.exists():
        raise InputError(f"{path}: exists already and is not overwritten; choose another name")
    try:
        with whole_files(path.parent) as folder:
            (folder / path.name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None


@contextmanager
def whole_files(target: Path) -> Iterator[Path]:
    """A folder to write into, beside `target`'s files; at the end its files move into `target`.

    An error leaves `target` as it was.

    Raises:
        OSError: as the file system has it.
    """
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".part-", dir=target) as name:
        folder = Path(name)
        yield folder
        for file in sorted(folder.iterdir()):
            file.replace(target / file.name)
