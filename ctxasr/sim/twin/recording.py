"""The payloads' way into the tables, and the data keys on their way.

    payload     new_key, open_key [decrypt] put, record     where the node does not hold the key yet
                put, record                                 where it does

Whose `open_key` is carried out first has made the turn's key; another node opens it by `decrypt`.
On a turn that was closed before (its directives ended without an expect-speech), `open_key` returns
no key and nothing is put; a payload that was put nevertheless is deleted.

Left out: a payload that finds its node without the key because the one that opened it there was
overtaken by a third.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ctxasr.sim.twin.counts import Tally
from ctxasr.sim.twin.dice import Bits, Dice, Lanes, Mask, Spread, Times


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event of each turn: when its record is carried out and answered, and where."""

    at: Times
    answered: Times
    node: Bits

    @classmethod
    def plain(cls, begins: Times, spread: Spread, dice: Dice) -> Recorded:
        """One that brings no payload."""
        at, answered = dice.request(spread.write, begins)
        return cls(at, answered, dice.nodes(len(begins)))

    def only(self, lanes: Lanes) -> Recorded:
        """Of these turns."""
        return Recorded(self.at[lanes], self.answered[lanes], self.node[lanes])


@dataclass(frozen=True, slots=True)
class Closing:
    """The turns whose directives end before they show an expect-speech."""

    decided: Times
    """When the first event is carried out that finds the turn to be discarded."""
    at: Times
    """When it is discarded."""
    answered: Times
    """When its node forgets the key and begins to delete."""
    node: Bits


@dataclass(frozen=True, slots=True)
class Payloads:
    """The payloads of each turn, utterance first."""

    recorded: tuple[Recorded, ...]
    there: tuple[Mask, ...]
    """Whether there is one."""
    keys: Bits
    """The nodes that have the turn's key open afterwards."""
    made_at: Times
    """When the turn's key was there."""
    opened: tuple[Times, ...]
    """When `open_key` is carried out for each of them; infinite where the node holds the key."""
    shut: Bits
    late: Bits
    """How many were not put, and how many were deleted, because the turn was closed."""

    def count(self) -> Bits:
        """How many there are."""
        return np.sum(self.there, axis=0, dtype=np.uint8)  # type: ignore[no-any-return]

    def carried_out(self, until: Times) -> Bits:
        """How many are recorded by then."""
        found = np.zeros(len(until), np.uint8)
        for one, there in zip(self.recorded, self.there, strict=True):
            found += there & (one.at <= until)
        return found

    def only(self, lanes: Lanes) -> Payloads:
        """Of these turns."""
        return Payloads(
            tuple(one.only(lanes) for one in self.recorded),
            tuple(one[lanes] for one in self.there),
            self.keys[lanes],
            self.made_at[lanes],
            tuple(one[lanes] for one in self.opened),
            self.shut[lanes],
            self.late[lanes],
        )


def close(expect: Recorded, completed: Recorded, spread: Spread, dice: Dice) -> Closing:
    """Discard what has ended and shows no expect-speech."""
    closes = completed.at < expect.at
    at, answered = dice.request(spread.write, completed.answered)
    never = np.float32(np.inf)
    return Closing(
        np.where(closes, completed.at, never),
        np.where(closes, at, never),
        np.where(closes, answered, never),
        completed.node,
    )


@dataclass(slots=True)
class _Way:
    """One payload of each turn on its way to its ciphertext."""

    begin: Times
    here: Mask
    node: Bits
    fresh: Times
    """When its node has made a key."""
    open_at: Times
    opened: Times
    decrypting: Times
    """How long that takes, where it must be."""
    opens: Mask
    holds: Times
    """When its node has the turn's key and puts."""

    def tells(self, other: _Way) -> Mask:
        """Whether the node of `other` has the key from here by when it needs it."""
        tells: Mask = (self.node == other.node) & (self.holds <= other.opened)
        return tells


@dataclass(frozen=True, slots=True)
class _Made:
    """The turn's key: of the `open_key` that was carried out first."""

    at: Times
    node: Bits
    fresh: Times

    @classmethod
    def by(cls, ways: list[_Way]) -> _Made:
        """The earliest of these."""
        first = ways[0]
        found = cls(first.open_at, first.node, first.fresh)
        for way in ways[1:]:
            earlier = way.opens & (way.open_at < found.at)
            found = cls(
                np.where(earlier, way.open_at, found.at),
                np.where(earlier, way.node, found.node),
                np.where(earlier, way.fresh, found.fresh),
            )
        return found

    def foreign_to(self, way: _Way) -> Mask:
        """Whether the node of `way` opened in vain and has not made the key elsewhere."""
        told = (way.node == self.node) & (self.fresh <= way.opened)
        foreign: Mask = way.opens & (way.open_at > self.at) & ~told
        return foreign


def record_payloads(
    begins: tuple[Times, ...], closing: Closing, spread: Spread, dice: Dice, tally: Tally
) -> Payloads:
    """Keys, ciphertexts and records of the payloads that begin then, the earliest first."""
    ways = _open_keys(begins, closing, spread, dice)
    made, recorded = _Made.by(ways), []
    keys, all_shut, all_late = np.zeros((3, len(begins[0])), np.uint8)
    for way in ways:
        shut = way.opens & (way.open_at >= closing.at)
        decrypts = made.foreign_to(way) & ~shut
        for other in ways:
            if other is not way:
                decrypts &= ~other.tells(way)
        way.holds = np.where(way.opens, way.opened + way.decrypting * decrypts, way.begin)
        put = way.holds + dice.of(spread.write, len(shut)) * ~shut
        at, answered = dice.request(spread.write, put)
        puts = way.here & ~shut
        tally.add("new_key", way.opens)
        tally.add("open_key", way.opens)
        tally.add("decrypt", decrypts)
        tally.add("put", puts)
        tally.add("record", way.here)
        late = way.here & (at >= closing.at)
        tally.add("delete", late)
        recorded.append(Recorded(at, answered, way.node))
        keys |= way.node * puts
        all_shut += shut
        all_late += late
    return Payloads(
        tuple(recorded),
        tuple(way.here for way in ways),
        keys,
        made.at,
        tuple(np.where(way.opens, way.open_at, np.float32(np.inf)) for way in ways),
        all_shut,
        all_late,
    )


def _open_keys(
    begins: tuple[Times, ...], closing: Closing, spread: Spread, dice: Dice
) -> list[_Way]:
    """Who opens a key because its node does not hold one, and when that is answered."""
    ways: list[_Way] = []
    for begin in begins:
        count = len(begin)
        here, node = np.isfinite(begin), dice.nodes(count)
        fresh = begin + dice.of(spread.kms, count)
        open_at, opened = dice.request(spread.write, fresh)
        held = np.zeros(count, np.bool_)
        forgot = (node == closing.node) & (closing.answered <= begin)
        for other in ways:
            same = node == other.node
            held |= same & (other.holds <= begin)
            # One that came after the end has deleted itself, and its node has dropped the key.
            forgot |= same & (other.begin >= closing.at) & (other.opened <= begin)
        way = _Way(
            begin=begin,
            here=here,
            node=node,
            fresh=fresh,
            open_at=open_at,
            opened=opened,
            decrypting=dice.of(spread.kms, count),
            opens=here & ~(held & ~forgot),
            holds=begin,
        )
        ways.append(way)
        late = _Made.by(ways).foreign_to(way)
        for other in ways[:-1]:
            late &= ~other.tells(way)
        way.holds = np.where(way.opens, opened + way.decrypting * late, begin)
    return ways
