"""At their expiry rows are still there, and no node may be given any of them (14).

Of each customer the turn that lives longest is tried, at the expiry of its item and of its oldest
payload, by the node whose clock is the slowest. What is read all the same, the watch notes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctxasr.errors import CtxasrError
from ctxasr.events import PayloadKind, PayloadRef, TurnKey
from ctxasr.sim.luck import Luck, kind
from ctxasr.sim.plans.plan import START_MS
from ctxasr.sim.region.requests import Handling
from ctxasr.sim.region.what_if import ports_of

if TYPE_CHECKING:
    from ctxasr.sim.region.nodes import Fleet
    from ctxasr.sim.region.tables import Tables
    from ctxasr.sim.region.what_if import WhatIf


async def probe(tables: Tables, fleet: Fleet, luck: Luck, what_if: WhatIf | None) -> None:
    """Try to read what has expired, at the instants of its expiry."""
    loop = tables.loop
    for customer, part in tables.partitions.items():
        left = [(row.expires_at_s, turn, ref) for (turn, ref), row in part.rows.items()]
        left = [one for one in left if one[1] in part.newest]
        if not left:
            continue
        turn = max(left)[1]
        expires_at_s, _, ref = min(one for one in left if one[1] == turn)
        for instant_s in sorted({part.newest[turn].expires_at_s, expires_at_s}):
            now_s = START_MS / 1_000.0 + loop.now_s
            await loop.sleep(max(0.0, instant_s - now_s) + 0.001)
            node = min(fleet.nodes, key=lambda one: one.clock.now_ms())
            stream = luck.stream(kind("probe"), node.slot)
            await _read(Handling(tables, node, customer, "probe", stream), what_if, turn, ref)


async def _read(handling: Handling, what_if: WhatIf | None, turn: TurnKey, ref: PayloadRef) -> None:
    store, vault = ports_of(what_if, handling)
    handling.tables.coverage.hit("probe: expired row still there")
    await store.read(turn)
    newest = handling.tables.partition(turn.customer).newest.get(turn)
    if newest is None or newest.wrapped_key is None:
        return
    try:
        if ref.kind is PayloadKind.CONTEXT:
            await vault.get_blob(newest.wrapped_key, turn, ref)
        else:
            await vault.get(newest.wrapped_key, turn, [ref])
    except CtxasrError:
        return
