"""The embedded store, asked by a web page that is open in a browser on this machine.

A page may send requests to loopback, and moto tells the browser to let every page read the answer.

Attacker: a page that was told the access key, by an extension or a developer's console.
Holds against it: what a browser sends is refused by its Origin, Referer or Sec-Fetch headers.
"""

from _lab import Gained, Mutant, carry_out
from _store import store

MUTANT: Mutant = (
    "store/admission.py",
    "if any(name.startswith(OF_A_PAGE) for name in environ):",
    "if OF_A_PAGE[0] == '':",
)
GAINS = "a web page reads"

PAGES: tuple[dict[str, str], ...] = (
    {"Origin": "https://news.example"},
    {"Origin": "null"},
    {"Referer": "http://news.example/"},
    {"Sec_Fetch_Site": "cross-site"},
    {"Sec_Fetch_Mode": "no-cors"},
)


async def attack() -> str:
    async with store() as there:
        for page in PAGES:
            rows = there.rows(key=there.key, **page)
            if rows:
                raise Gained(f"a web page reads {len(rows)} rows, sent with {sorted(page)}")
        asks = {"Origin": "https://news.example", "Access_Control_Request_Method": "POST"}
        status, _, headers = there.ask("", b"", method="OPTIONS", **asks)
        if status != 403 or any(name.startswith("access-control-") for name in headers):
            raise Gained("the browser is told that the page may ask")
    return f"{len(PAGES)} forms of a browser's request are refused, and the one that asks first"


if __name__ == "__main__":
    carry_out(attack, real_time=True)
