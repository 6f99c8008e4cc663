"""Seeds until an invariant breaks, and the failing plan shrunk: run on a mutant by test_mutants.

    python tests/sim/hunt.py '{"invariant": 3, "profile": "all", "seeds": 500}'

Prints one JSON document: the seeds that were tried, the first of them that broke anything, the
lines of the shrunk plan and the violation.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from ctxasr.sim.judging.watch import Violation
from ctxasr.sim.plans.draw import PROFILES, Shape, draw
from ctxasr.sim.plans.plan import Plan
from ctxasr.sim.plans.shrink import shrink
from ctxasr.sim.runs import Setting
from ctxasr.sim.world import simulate
from ctxasr.store.memory import MemoryEventStore

SETTING = Setting(trace=False)


def hunt(invariant: int, profile: str, seeds: int, customers: int = 1) -> dict[str, Any]:
    def broken(plan: Plan) -> list[Violation]:
        found = simulate(plan, MemoryEventStore, SETTING).violations
        return [one for one in found if one.invariant == invariant]

    first_any = None
    for seed in range(seeds):
        plan = draw(seed, PROFILES[profile], Shape(customers=customers))
        found = simulate(plan, MemoryEventStore, SETTING).violations
        if found and first_any is None:
            first_any = [seed + 1, found[0].invariant]
        if any(one.invariant == invariant for one in found):
            small = shrink(plan, lambda tried: bool(broken(tried)))
            return {
                "seeds": seed + 1,
                "first_any": first_any,
                "from": len(plan),
                "lines": len(small),
                "plan": small.to_dict(),
                "violation": str(broken(small)[0]),
            }
    return {"seeds": None, "first_any": first_any}


if __name__ == "__main__":
    print(json.dumps(hunt(**json.loads(sys.argv[1]))))
