"""How many workers a load needs, if hardly anybody is to wait for one.

    B(0) = 1,  B(c) = a B(c - 1) / (c + a B(c - 1))        all of c workers busy, nobody waits
    C(c) = B(c) / (1 - a / c (1 - B(c)))                   the share of arrivals that have to wait

`a` is the offered load: how many workers would be busy on the mean, were there always a free one.
Arrivals are taken for a Poisson process and times for exponential; encodings vary less than that,
so that somewhat fewer have to wait.

Beyond OFFERED_MAX the limit of many workers stands for C: 1 / (1 + b P(b) / p(b)) for the workers
a + b sqrt(a), with the normal distribution P and its density p.

Sources: A. K. Erlang, "Solution of some problems in the theory of probabilities of significance in
automatic telephone exchanges", 1917; the recursion is D. Jagerman's, "Some properties of the Erlang
loss function", Bell System Technical Journal 53(3), 1974; the limit is of S. Halfin and W. Whitt,
"Heavy-traffic limits for queues with many exponential servers", Operations Research 29(3), 1981.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Final

OFFERED_MAX: Final = 1e6
"""Busy workers on the mean up to which the recursion is used: it takes a step for each."""

WAITING_SHARE: Final = 0.01
"""As many encodings may find no worker free."""


def workers_needed(offered: float, waiting_share: float = WAITING_SHARE) -> tuple[int, float]:
    """The least workers for which at most `waiting_share` wait, and the share that does."""
    if offered > OFFERED_MAX:
        return _of_many(offered, waiting_share)
    if offered <= 0.0:
        return 0, 0.0
    workers, blocked, waiting = 0, 1.0, 1.0
    while waiting > waiting_share:
        workers += 1
        blocked = offered * blocked / (workers + offered * blocked)
        if workers > offered:
            waiting = blocked / (1.0 - offered / workers * (1.0 - blocked))
    return workers, waiting


def _of_many(offered: float, waiting_share: float) -> tuple[int, float]:
    root, normal = math.sqrt(offered), NormalDist()

    def waiting(more: float) -> float:
        return 1.0 / (1.0 + more * normal.cdf(more) / normal.pdf(more))

    low, high = 0.0, 8.0
    while high - low > 1e-9:
        middle = (low + high) / 2.0
        low, high = (middle, high) if waiting(middle) > waiting_share else (low, middle)
    workers = math.ceil(offered + high * root)
    return workers, waiting((workers - offered) / root)
