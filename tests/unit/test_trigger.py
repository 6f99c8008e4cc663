"""decide(): a table of cases. It looks at one consistent item and at nothing else."""

from __future__ import annotations

import pytest

from ctxasr.events import (
    ConsistentStatus,
    ElicitSlot,
    ExpectSpeech,
    Mark,
    Outcome,
    PayloadKind,
    PayloadRef,
    Reply,
    RequestProcessingCompleted,
    TurnKey,
)
from ctxasr.trigger import Decision, decide

K = PayloadKind
TEXTS = {K.UTTERANCE, K.REPLY}


def status(
    kinds: set[PayloadKind] | None = None,
    *,
    announced: int | None = None,
    ended: bool = False,
    owner: str | None = None,
    outcome: Outcome | None = None,
) -> ConsistentStatus:
    """`announced` None means that no expect-speech has come."""
    marks = {"r": Mark(Reply.full_name, 1, 900), "s": Mark(ElicitSlot.full_name, 1)}
    if announced is not None:
        marks["e"] = Mark(ExpectSpeech.full_name, 2, announced)
    if ended:
        marks["c"] = Mark(RequestProcessingCompleted.full_name, 3)
    refs = frozenset(PayloadRef(kind, kind.value) for kind in kinds or set())
    return ConsistentStatus(TurnKey("c", "i"), marks, refs, b"key", owner, outcome, 10)


@pytest.mark.parametrize(
    ("given", "decision"),
    [
        (status(), Decision.WAIT),
        (status(TEXTS), Decision.WAIT),
        (status(TEXTS, ended=True), Decision.DISCARD),
        (status(ended=True), Decision.DISCARD),
        (status(announced=0), Decision.WAIT),
        (status({K.UTTERANCE}, announced=0), Decision.WAIT),
        (status({K.REPLY, K.ENTITIES}, announced=0), Decision.WAIT),
        (status(TEXTS, announced=0), Decision.COMPUTE),
        (status(TEXTS, announced=0, ended=True), Decision.COMPUTE),
        (status(TEXTS, announced=1), Decision.WAIT),
        (status(TEXTS, announced=1, ended=True), Decision.WAIT),  # it may still come
        (status({*TEXTS, K.CONTEXT}, announced=1), Decision.WAIT),
        (status({*TEXTS, K.ENTITIES}, announced=1), Decision.COMPUTE),
        (status({*TEXTS, K.SLOT}, announced=1), Decision.COMPUTE),
        (status({*TEXTS, K.SLOT, K.SCREEN}, announced=1), Decision.COMPUTE),
        (status({*TEXTS, K.SLOT, K.SCREEN}, announced=3), Decision.WAIT),
        (status({*TEXTS, K.SLOT, K.SCREEN, K.ENTITIES}, announced=3), Decision.COMPUTE),
        (status(TEXTS, announced=0, owner="me"), Decision.COMPUTE),  # a redelivery goes on
        (status(TEXTS, announced=0, owner="another"), Decision.OTHERS),
        (status(TEXTS, announced=0, owner="me", outcome=Outcome.EMBEDDED), Decision.SETTLED),
        (status(TEXTS, ended=True, outcome=Outcome.DISCARDED), Decision.SETTLED),
        (status(TEXTS, announced=0, outcome=Outcome.DISCARDED), Decision.SETTLED),
    ],
)
def test_decide(given: ConsistentStatus, decision: Decision) -> None:
    assert decide(given, "me") is decision
