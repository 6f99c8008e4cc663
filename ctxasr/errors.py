"""Every exception that ctxasr raises.

    CtxasrError
     +-- InputError               something given from outside is wrong: exit code 2
     |    +-- EnvelopeError       a message that is no AVS envelope, or breaks its rules
     |    +-- ScenarioError       a scenario file (file, line and field are in the message)
     |    +-- AudioError          a sound file that cannot be read
     |    +-- DataError           training or evaluation data missing or malformed
     +-- LimitExceeded            a named limit was passed (also an InputError)
     +-- MissingPart              an optional program or package is not installed
     +-- StoreError               the event store
     |    +-- StoreUnavailable    unreachable, throttled out, or timed out: perhaps written
     |    +-- PayloadUnreadable   expired, shredded, or its authentication failed
     +-- ContextUnavailable       no context embedding could be had in time: the plain result stands

A message says what was wrong, where, and what would be right. No message carries the text of an
utterance, a reply or a payload.
"""

from __future__ import annotations


class CtxasrError(Exception):
    """Base of all errors of this package."""


class InputError(CtxasrError):
    """Something given from outside is wrong."""


class EnvelopeError(InputError):
    """A message is not a valid AVS envelope."""


class ScenarioError(InputError):
    """A scenario file is wrong."""

    def __init__(self, message: str, *, file: str = "", line: int | None = None, field: str = ""):
        self.file, self.line, self.field = file, line, field
        where = file if line is None else f"{file}:{line}"
        parts = [part for part in (where, field, message) if part]
        super().__init__(": ".join(parts))


class AudioError(InputError):
    """A sound file cannot be read."""


class DataError(InputError):
    """Training or evaluation data are missing or malformed."""


class LimitExceeded(InputError):
    """A named limit was passed."""

    def __init__(self, name: str, limit: int | float, got: int | float, where: str = ""):
        self.name, self.limit, self.got = name, limit, got
        place = f"{where}: " if where else ""
        super().__init__(f"{place}{name} is {limit}, got {got}")


class MissingPart(CtxasrError):
    """An optional program or package is not installed; the message says how to get it."""


class StoreError(CtxasrError):
    """The event store."""


class StoreUnavailable(StoreError):
    """The store did not answer in time; the write may or may not have been applied."""


class PayloadUnreadable(StoreError):
    """A payload is expired, shredded or fails authentication."""


class ContextUnavailable(CtxasrError):
    """No context embedding could be had in time."""


def first_error(error: BaseException) -> BaseException:
    """The first error of a task group's bundle; any other error is itself."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
