"""Open connections, and whose they are: nobody's fill the door.

A connection is its peer address's until a request on it has shown a known token; then it is that
customer's. Each has a share. Where a share or the whole is full, the oldest idle connection makes
room, and of those without a token the oldest of all. So a peer that opens many only closes its own,
and whoever asks `/healthz` always gets in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from ctxasr.gateway.http import limits

_STRANGER: Final = "address"
_CUSTOMER: Final = "customer"


class Place:
    """One connection. `busy` counts its requests at work; `end` closes it at once.

    A `crowded` one came when CONNECTIONS_MAX were at work: it is for `/healthz` and the like.
    """

    def __init__(self, places: Places, group: tuple[str, str], end: Callable[[], object]) -> None:
        self._places, self.group, self.end = places, group, end
        self.busy = 0
        self.crowded = False

    def known(self, customer: str) -> None:
        """A request on it has shown a token of this customer."""
        self._places.move(self, (_CUSTOMER, customer))

    def leave(self) -> None:
        """It is closed."""
        self._places.leave(self)


class Places:
    """All connections of one process."""

    def __init__(self) -> None:
        self._open: dict[Place, None] = {}
        self._groups: dict[tuple[str, str], dict[Place, None]] = {}

    def __len__(self) -> int:
        return len(self._open)

    def take(self, address: str, end: Callable[[], object]) -> Place | None:
        """A place for a new connection from `address`; None if there is no room at all."""
        place = Place(self, (_STRANGER, address), end)
        theirs = self._groups.get(place.group, {})
        if len(theirs) >= limits.CONNECTIONS_OF_ADDRESS_MAX:
            self._end(_oldest_idle(theirs) or next(iter(theirs)))
        if len(self._open) >= limits.CONNECTIONS_MAX:
            self._end(_oldest_idle(self._open) or self._oldest_stranger())
        if len(self._open) >= limits.CONNECTIONS_MAX + limits.CONNECTIONS_RESERVED_MAX:
            return None
        place.crowded = len(self._open) >= limits.CONNECTIONS_MAX
        self._open[place] = None
        self._groups.setdefault(place.group, {})[place] = None
        return place

    def move(self, place: Place, group: tuple[str, str]) -> None:
        """Let a connection belong to another group from now on."""
        if place.group == group or place not in self._open:
            return
        self._out_of_group(place)
        theirs = self._groups.get(group, {})
        if len(theirs) >= limits.CONNECTIONS_OF_CUSTOMER_MAX:
            self._end(_oldest_idle(theirs))
        place.group = group
        self._groups.setdefault(group, {})[place] = None

    def leave(self, place: Place) -> None:
        """Forget a connection that is closed."""
        if place in self._open:
            del self._open[place]
            self._out_of_group(place)

    def _end(self, place: Place | None) -> None:
        if place is not None:
            self.leave(place)
            place.end()

    def _oldest_stranger(self) -> Place | None:
        return next((one for one in self._open if one.group[0] == _STRANGER), None)

    def _out_of_group(self, place: Place) -> None:
        theirs = self._groups[place.group]
        del theirs[place]
        if not theirs:
            del self._groups[place.group]


def _oldest_idle(among: Iterable[Place]) -> Place | None:
    return next((one for one in among if not one.busy), None)
