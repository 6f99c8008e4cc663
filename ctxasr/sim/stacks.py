"""Where suspended tasks stand, await by await: what a deadlock report says.

task-1: main (test_x.py:12) > wait (locks.py:213)
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from types import CodeType, FrameType
from typing import Any, Final

STACKS_MAX: Final = 50
"""Tasks in a report; it says how many more there are."""

CHAIN_MAX: Final = 50
"""Awaits of one task in a report."""


def stacks(tasks: Sequence[asyncio.Task[Any]]) -> str:
    """A line for each of the first STACKS_MAX tasks."""
    lines = [
        f"  {task.get_name()}: {' > '.join(_await_chain(task.get_coro())) or 'not begun'}"
        for task in tasks[:STACKS_MAX]
    ]
    more = len(tasks) - len(lines)
    return "\n".join([*lines, f"  and {more} more"] if more else lines)


def _await_chain(awaited: Any) -> Iterator[str]:
    """Where a suspended coroutine stands, outermost first: function (file:line)."""
    for _ in range(CHAIN_MAX):
        frame = _first(awaited, "cr_frame", "gi_frame", "ag_frame")
        code = _first(awaited, "cr_code", "gi_code", "ag_code")
        if not isinstance(frame, FrameType) or not isinstance(code, CodeType):
            return
        yield f"{code.co_name} ({code.co_filename.rpartition('/')[2]}:{frame.f_lineno})"
        awaited = _first(awaited, "cr_await", "gi_yieldfrom", "ag_await")


def _first(thing: Any, *names: str) -> Any:
    return next((getattr(thing, name) for name in names if hasattr(thing, name)), None)
