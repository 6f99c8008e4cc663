"""What a leader and its followers show of one partition, by time stamps.

    leader      1 2 3 4          every write, at its instant
    follower 1  1 2 . .          each version a lag later, in the leader's order
    follower 2  1 . . .          cut off: nothing new until the cut ends

A consistent read is the leader's newest version; an eventual one asks a replica at random. When a
follower sees a version is computed when it is first asked for: a write costs one list entry, and
staleness needs no tasks of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Final, Generic, NamedTuple, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

FOLLOWERS: Final = 2
"""DynamoDB keeps three replicas, one of which leads."""


class Cut(NamedTuple):
    """A follower (1 or 2) that learns nothing from `from_ms` to `until_ms`."""

    follower: int
    from_ms: float
    until_ms: float


class Version(NamedTuple, Generic[K, V]):
    """One write, as the leader saw it; `value` is None where the item was deleted."""

    at_ms: float
    key: K
    value: V | None


class Replicas(Generic[K, V]):
    """The history of one partition.

    `lag_ms(number, follower)` is how long version `number` takes to that follower.
    """

    def __init__(self, lag_ms: Callable[[int, int], float], cuts: tuple[Cut, ...] = ()) -> None:
        self.versions: list[Version[K, V]] = []
        self._lag_ms, self._cuts = lag_ms, cuts
        self._seen_ms: tuple[list[float], ...] = tuple([] for _ in range(FOLLOWERS))

    def write(self, at_ms: float, key: K, value: V | None) -> None:
        """Append a version; writes come in the order of their instants."""
        self.versions.append(Version(at_ms, key, value))

    def seen(self, replica: int, now_ms: float) -> int:
        """How many versions replica 0 (the leader), 1 or 2 shows at `now_ms`: a prefix."""
        if replica == 0:
            return len(self.versions)
        seen_ms = self._seen_ms[replica - 1]
        for number in range(len(seen_ms), len(self.versions)):
            at_ms = self.versions[number].at_ms + self._lag_ms(number, replica)
            for cut in self._cuts:
                if cut.follower == replica and cut.from_ms <= at_ms < cut.until_ms:
                    at_ms = cut.until_ms
            seen_ms.append(max(at_ms, seen_ms[-1] if seen_ms else 0.0))
        count = len(seen_ms)
        while count and seen_ms[count - 1] > now_ms:
            count -= 1
        return count

    def read(self, replica: int, key: K, now_ms: float) -> V | None:
        """The newest value of `key` on that replica; None if it has none, or no longer."""
        for number in range(self.seen(replica, now_ms) - 1, -1, -1):
            if self.versions[number].key == key:
                return self.versions[number].value
        return None
