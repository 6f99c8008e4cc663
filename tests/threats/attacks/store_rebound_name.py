"""The embedded store under a name of the attacker's: DNS rebinding.

The page's own name is made to point at 127.0.0.1, so that to the browser the store is the page's
own server: it reads the answers, and need not say where it is from.

Attacker: a page whose name its owner re-points, and that was told the access key.
Holds against it: a request must name the address and the port of the store itself as its Host.
"""

from _lab import Gained, Mutant, carry_out
from _store import store

MUTANT: Mutant = (
    "store/admission.py",
    'if environ.get("HTTP_HOST") != self.host:',
    'if not environ.get("HTTP_HOST"):',
)


async def attack() -> str:
    async with store() as there:
        _, port = there.address
        names = (f"page.example:{port}", "127.0.0.1", f"localhost:{port}", f"[::1]:{port}",
                 f"127.0.0.1.:{port}", f"127.0.0.1:{port}@page.example")  # fmt: skip
        for name in names:
            rows = there.rows(key=there.key, Host=name)
            if rows:
                raise Gained(f"{len(rows)} rows for a request to {name.replace(str(port), 'PORT')}")
    return f"{len(names)} other names of the same address are refused"


if __name__ == "__main__":
    carry_out(attack, real_time=True)
