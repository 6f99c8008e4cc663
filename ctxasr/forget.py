"""Erase a customer: first the keys, so that nothing can be read, then what they had locked.

What arrives of the customer while this runs is recorded as for a new one; ask again after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ctxasr.errors import LimitExceeded
from ctxasr.ports import EventStore, PayloadVault

FORGET_ROUNDS_MAX: Final = 10_000
"""Looks at both tables; at 1,000 items a look, ten million of one customer."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How many items were deleted, and after how many looks both tables held none."""

    status_items: int
    payloads: int
    looks: int


async def forget(
    customer: str,
    store: EventStore,
    vault: PayloadVault,
    *,
    rounds_max: int | None = None,
) -> Forgotten:
    """Delete all that both tables hold of a customer; returns only when both show nothing.

    The last look at each is a strongly consistent one and finds no item: that is the proof. It
    takes at most `rounds_max` looks, by default FORGET_ROUNDS_MAX.

    Raises:
        LimitExceeded: items keep coming, more than that.
        StoreUnavailable: partly done; ask again.
    """
    items = payloads = 0
    rounds_max = FORGET_ROUNDS_MAX if rounds_max is None else rounds_max
    for look in range(1, rounds_max + 1):
        of_status = await store.forget(customer)
        of_payload = await vault.forget(customer) if not of_status else 0
        if not of_status and not of_payload:
            return Forgotten(items, payloads, look)
        items, payloads = items + of_status, payloads + of_payload
    raise LimitExceeded("FORGET_ROUNDS_MAX", rounds_max, rounds_max + 1, "forget")
