"""What a made corpus is drawn as, before anybody has said it."""

from __future__ import annotations

from dataclasses import dataclass

from ctxasr.evaluate.corpora.voices import Speech
from ctxasr.events import TurnText


@dataclass(frozen=True, slots=True)
class Drawn:
    """An answer, the turn that asked for it, and how it is said.

    `sort` is what the answer has to do with the names on offer. `says` is what the synthesiser
    reads where that is written in another way; `also` are texts as right as the reference.
    """

    reference: str
    asked: TurnText
    sort: str
    speech: Speech
    says: str = ""
    also: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Drawn({self.sort})"
