"""What the stages need from outside. Adapters live in encoder, speech, store and app."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from ctxasr.events import (
    NO_GROUNDS,
    ConsistentStatus,
    Event,
    EventKey,
    Grounds,
    Outcome,
    Payload,
    PayloadRef,
    TurnKey,
    TurnText,
)
from ctxasr.hypotheses import Phrase, Recognition

if TYPE_CHECKING:  # loading numpy takes a tenth of a second, and recording needs none
    import numpy as np
    from numpy.typing import NDArray

    Vector = NDArray[np.float32]
    Matrix = NDArray[np.float32]
    Samples = NDArray[np.int16]
else:
    Vector = Matrix = Samples = Any
"""Arrays of 32-bit floats, (d,) and (n, d); samples are 16-bit, mono, RATE_HZ a second."""

RATE_HZ: Final = 16_000
"""Of all sound inside the package."""


class EventStore(Protocol):
    """The event-status table. Every write returns the item as it is after the write.

    All methods raise StoreUnavailable when the answer did not come: perhaps written.
    """

    async def open_key(
        self, turn: TurnKey, wrapped_key: bytes, expires_at_s: int
    ) -> ConsistentStatus:
        """Set the wrapped data key if the turn has none; the returned item names the winner's.

        A settled turn gets no key any more: its item comes back as it is.
        """
        ...

    async def record(self, event: Event, expires_at_s: int) -> ConsistentStatus:
        """Note the event and the reference of its payload; a repetition changes nothing.

        Raises:
            LimitExceeded: the turn has no room for it (`ctxasr.store.room`); nothing is written.
                An event that was recorded is never refused.
        """
        ...

    async def claim(
        self, turn: TurnKey, owner: str, *, grounds: Grounds = NO_GROUNDS
    ) -> ConsistentStatus:
        """Own the turn if it is neither owned nor settled; whoever owns it stands in the item.

        Changes nothing where the item no longer shows the `grounds` of the decision. Neither this
        nor `settle` looks at the expiry: what has expired settles as missed.
        """
        ...

    async def settle(
        self,
        turn: TurnKey,
        outcome: Outcome,
        *,
        owner: str | None,
        ref: PayloadRef | None = None,
        grounds: Grounds = NO_GROUNDS,
    ) -> ConsistentStatus:
        """Fix the outcome, once, if `owner` still owns the turn; later calls change nothing.

        Nor does one whose `grounds` the item no longer shows, and none makes an item.

        MISSED and DISCARDED also remove the wrapped key: every payload is unreadable at once.
        """
        ...

    async def read(self, turn: TurnKey) -> ConsistentStatus | None:
        """The item by a strongly consistent read; None when there is none or it has expired."""
        ...

    async def turns(self, customer: str, *, after: TurnKey | None = None) -> list[ConsistentStatus]:
        """Unsettled turns of a customer, a bounded number of them: what the sweep looks at.

        They stand in an order of the store's own; `after` asks for those behind that one.
        """
        ...

    async def link(self, turn: TurnKey, token: str, expires_at_s: int) -> None:
        """Note that `token` was handed out by `turn`."""
        ...

    async def follow(self, customer: str, token: str) -> TurnKey | None:
        """The turn that handed out `token` to this customer."""
        ...

    async def forget(self, customer: str) -> int:
        """Remove every item of the customer, keys with them; how many. 0 proves there are none.

        Removes a bounded number at a time: ask again until it is 0.
        """
        ...


class PayloadVault(Protocol):
    """The payload table and the data keys: texts go in clear and lie encrypted."""

    async def new_key(self, turn: TurnKey) -> bytes:
        """A fresh data key for the turn, wrapped."""
        ...

    def held_key(self, turn: TurnKey) -> bytes | None:
        """The turn's wrapped key, if this process has it open already."""
        ...

    def drop_keys(self, turn: TurnKey) -> None:
        """Let go of all keys of the turn that this process has open."""
        ...

    async def put(self, wrapped_key: bytes, payload: Payload) -> None: ...

    async def put_blob(
        self, wrapped_key: bytes, turn: TurnKey, ref: PayloadRef, blob: bytes, expires_at_s: int
    ) -> None:
        """Store bytes (a context embedding) under the same protection."""
        ...

    async def get(
        self, wrapped_key: bytes, turn: TurnKey, refs: Sequence[PayloadRef]
    ) -> list[Payload]:
        """Read with strong consistency and decrypt, in the order of `refs`.

        Raises:
            PayloadUnreadable: one is missing, expired, shredded or was tampered with.
        """
        ...

    async def get_blob(self, wrapped_key: bytes, turn: TurnKey, ref: PayloadRef) -> bytes: ...

    async def delete(self, turn: TurnKey, refs: Sequence[PayloadRef]) -> None: ...

    async def forget(self, customer: str) -> int:
        """Remove every row of the customer, as in `EventStore.forget`; cached keys go as well."""
        ...


class ContextEncoder(Protocol):
    """Turns dialogue into vectors. Cancelling the task stops the computation soon."""

    @property
    def dimensions(self) -> int:
        """d, the length of its vectors."""
        ...

    @property
    def model(self) -> str:
        """Names its weights: vectors of two models are never mixed."""
        ...

    async def encode(self, turn: TurnText, past: Matrix) -> Vector:
        """The vector of this turn after the turns in `past` (n, d); returns (d,)."""
        ...

    async def embed_phrases(self, phrases: Sequence[Phrase]) -> Matrix:
        """Rows whose product with a context vector is the phrase's log odds; returns (n + 1, d).

        Row 0 stands for 'none of these'.
        """
        ...


class Embedder(Protocol):
    """Where recording and encoding are apart: the process that has the context encoder."""

    async def embed(self, key: EventKey, device: str) -> None:
        """Embed and settle the turn that `key` has claimed; the caller has the deadline."""
        ...


class Match(NamedTuple):
    """Words `start` to `end` (exclusive) of hypothesis `hypothesis` may have been phrase `phrase`.

    `cost` is the weighted phone edit distance between the words and the phrase, in substituted
    phones, `exact` if they are the same words; `phones` is the phrase's length. `gain` says how
    much nearer the whole text with the phrase comes to what a phone loop heard than the plain text
    does, in the same unit; None without a phone loop. `apart` says how much farther it is from the
    hypotheses than the plain text is, on their mean.
    """

    hypothesis: int
    start: int
    end: int
    phrase: int
    cost: float
    phones: int
    gain: float | None
    exact: bool = False
    apart: float = 0.0


class PhraseLists(NamedTuple):
    """The phrases that an aligner looks for, as they are written, by where it does."""

    asked: tuple[str, ...] = ()
    """Sought apart, so that no others crowd them out."""
    others: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()
    """Sought as whole utterances only."""
    offered: tuple[str, ...] = ()
    """Matched with the whole first hypothesis, whatever it says."""

    def __repr__(self) -> str:  # a traceback must not show what was named
        return f"PhraseLists({len(self.all)} phrases)"

    @property
    def all(self) -> tuple[str, ...]:
        """In the order in which `Match.phrase` counts them."""
        return (*self.asked, *self.others, *self.alone, *self.offered)


class PhraseAligner(Protocol):
    """Finds where in the hypotheses a phrase may have been said, by word and by sound."""

    async def prepare(self, phrases: Sequence[str]) -> None:
        """Work out how the phrases sound, while there is time: `align` remembers it."""
        ...

    async def align(self, recognition: Recognition, phrases: PhraseLists) -> list[Match]:
        """The best matches, a bounded number of them."""
        ...

    def forget(self) -> None:
        """Let go of all that is remembered of phrases: whose they were is not known."""
        ...


class Recognizer(Protocol):
    """Speech to hypotheses."""

    async def recognize(self, samples: Samples) -> Recognition: ...


class AcousticScorer(Protocol):
    """Second evidence: how well given texts fit the audio that a recogniser has just heard."""

    async def log_likelihoods(self, recognition: Recognition, texts: Sequence[str]) -> list[float]:
        """The natural log probability of each text, its end included, under `recognition.sound`.

        Comparable within one call only. Where `recognition.scored_by` is "tokens", 0 is certain;
        where it is "frames", a constant is missing. Cancelling the task stops the computation soon.

        Raises:
            ContextUnavailable: nothing of this sound is kept (any more).
        """
        ...


class Clock(Protocol):
    """Time as the deadlines see it."""

    def now_ms(self) -> float:
        """Milliseconds since 1970."""
        ...

    def timer_s(self, duration_ms: float) -> float:
        """Seconds of the event loop that `duration_ms` of this clock take."""
        ...


class Telemetry(Protocol):
    """What happened when, in names and numbers, never in texts."""

    def point(self, name: str, turn: TurnKey, **facts: Any) -> None: ...

    def span(self, name: str, turn: TurnKey, **facts: Any) -> AbstractContextManager[None]: ...
