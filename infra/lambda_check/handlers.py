"""Every handler under the client: imports, cold and warm starts, timeout, crash, what they say."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import sys
import time
from contextlib import ExitStack
from statistics import median
from typing import Any, Final

import servers
from threats.canaries import find_canaries

from ctxasr.app import SystemClock
from ctxasr.events import PayloadKind, TurnKey
from ctxasr.store.clients import clients
from ctxasr.store.dynamodb import DynamoEventStore
from ctxasr.store.schema import Tables
from infra.lambda_check import dialogue
from infra.lambda_check.dialogue import CANARIES, CUSTOMER, HEARD, kinesis, sqs
from infra.lambda_check.place import Place
from infra.lambda_check.runtime import Answer, Function

NEVER: Final = {
    "recorder": ("torch", "scipy", "pocketsphinx", "numpy", "soundfile"),
    "reader": ("torch", "scipy", "pocketsphinx", "soundfile"),
}
"""What a tree's handlers must not load."""

TURNS: Final = 9
ASKED_PER_TURN: Final = 7
LATE_SHARE_MAX: Final = 0.1
"""The read budget is wall-clock time: on a busy machine some answers are plain, as they should."""

SHORT_DEADLINE_MS: Final = 1_500.0

METRICS: Final = {
    "Recorded", "EmbeddedTurns", "DiscardedTurns", "ContextAgeMs", "EmbedMs", "WindowSlackMs",
    "RescoreMs",
}  # fmt: skip
"""What a run without faults of the store says; MissedTurns and StoreUnavailable need one."""

WRONG: Final = {"record_event", "embed_context", "get_context", "rescore", "sweep"}
"""Functions that `_wrong_input` makes fail: each must leave a trace that says so."""

_IN_THE_TREE: Final = """
import json, sys
from ctxasr import lambdas
class Context:
    get_remaining_time_in_millis = staticmethod(lambda: 30_000)
events, never = json.load(sys.stdin)
for name, event in events:
    getattr(lambdas, name)(event, Context)
print("\\n" + json.dumps([[one for one in never if one in sys.modules], len(sys.modules)]))
"""


def imports(place: Place) -> None:
    """Invoke the zips' handlers in a Python that has nothing but the tree; see what was loaded."""
    told = dialogue.turn("imports")
    asked = {"customer": CUSTOMER, "interaction": "imports"}
    runs = {
        "recorder": [("record_event", told[name]) for name in ("recognize", "utterance", "reply")]
        + [("sweep", {"customer": CUSTOMER})],
        "reader": [("get_context", asked), ("rescore", asked | {"hypotheses": [{"text": "hi"}]})],
    }
    python = getattr(sys, "_base_executable", sys.executable)
    for tree, events in runs.items():
        where = {"PYTHONPATH": str(getattr(place, tree))}
        done = subprocess.run(  # noqa: S603
            [python, "-S", "-c", _IN_THE_TREE], input=json.dumps([events, NEVER[tree]]),
            cwd=where["PYTHONPATH"], env=place.environment(**where), capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        place.report.check(done.returncode == 0, f"{tree}: runs alone\n{done.stderr[-2_000:]}")
        if done.returncode == 0:
            loaded, count = json.loads(done.stdout.splitlines()[-1])
            place.report.row(f"{tree} alone", {"modules": count, "unwanted": loaded})
            place.report.check(not loaded, f"{tree}: its handlers load {loaded}")


def cold_starts(place: Place, runs: int) -> None:
    """From the start of the process to the first request for work, and to the first answer."""
    first = {
        "record_event": dialogue.turn("cold")["recognize"],
        "get_context": {"customer": CUSTOMER, "interaction": "cold"},
        "rescore": {"customer": CUSTOMER, "hypotheses": [{"text": "hi"}], "token": "unknown"},
        "sweep": {"customer": CUSTOMER},
        "embed_context": {"customer": CUSTOMER, "interaction": "cold", "event": "none"},
    }
    for name, event in first.items():
        inits, answers, cpus = [], [], []
        for _ in range(runs):
            with place.function(name) as function:
                function.ask(event)
                answers.append((time.perf_counter() - function.began_s) * 1_000.0)
                inits.append(function.init_ms)
                cpus.append(function.init_cpu_ms or 0.0)
        facts = {"init_ms": median(inits), "first_answer_ms": median(answers)}
        facts |= {"init_cpu_ms": median(cpus), "n": runs}
        place.report.row(f"cold {name}", facts)


def all_of_them(place: Place, warm_ms_max: float) -> None:
    """All five functions at once, as deployed."""
    with ExitStack() as stack:
        embedder = stack.enter_context(place.function("embed_context"))
        place.embedder = embedder
        recorder = stack.enter_context(place.function("record_event"))
        reader = stack.enter_context(place.function("get_context"))
        rescorer = stack.enter_context(place.function("rescore"))
        sweeper = stack.enter_context(place.function("sweep"))
        _warm(place, recorder, reader, rescorer, sweeper, warm_ms_max)
        _batches(place, recorder)
        _sweeps(place, recorder, sweeper)
        _wrong_input(place, [recorder, embedder, reader, rescorer, sweeper])
        _timeout(place, recorder, reader)
    with ExitStack() as stack:
        place.embedder = stack.enter_context(place.function("embed_context"))
        reader = stack.enter_context(place.function("get_context"))
        _crash(place, reader)


def _warm(
    place: Place, recorder: Function, reader: Function, rescorer: Function, sweeper: Function,
    limit_ms: float,
) -> None:  # fmt: skip
    check, report = place.report.check, place.report
    _tell(recorder, "warm-up")
    place.services.embed_ms.clear()
    records: list[Answer] = []
    for number in range(TURNS):
        records += _tell(recorder, f"warm-{number}")
    waiting = [one for one in records if one.value["outcome"] == "embedded"]
    triggers = waiting[::2]  # each turn's `started` comes after it was settled
    others = [one.took_ms for one in records if one not in triggers]
    report.times("warm record_event", others, limit_ms)
    report.times("warm record_event, all", [one.took_ms for one in records], limit_ms)
    report.times("warm record_event that embeds", [one.took_ms for one in triggers])
    report.times("warm embed_context", place.services.embed_ms)
    check(len(triggers) == TURNS, f"{len(triggers)} of {TURNS} turns were embedded")

    asked, heard = [], []
    hypotheses = [{"text": text, "score": -float(place)} for place, text in enumerate(HEARD)]
    for number in range(TURNS):
        for _ in range(ASKED_PER_TURN):
            turn = {"customer": CUSTOMER, "token": f"ask-warm-{number}"}
            asked.append(reader.invoke(turn))
            heard.append(rescorer.invoke(turn | {"hypotheses": hypotheses}))
    report.times("warm get_context", [one.took_ms for one in asked], limit_ms)
    report.times("warm rescore", [one.took_ms for one in heard], limit_ms)
    hits = [one.value for one in asked if one.value["state"] == "hit"]
    check(len(hits) == len(asked), f"{len(hits)} of {len(asked)} contexts were had")
    if hits:
        vectors = hits[0]["vectors"]
        size = len(base64.b64decode(vectors["data"])) // 4
        whole = size == vectors["shape"][0] * vectors["shape"][1] > 0
        check(whole and hits[0]["provenance"]["model"] != "", "vectors come with their provenance")
    changed = sum(one.value["text"] == HEARD[1] for one in heard)
    late = sum(one.value["reason"] == "read budget exceeded" for one in heard)
    plain = sum(one.value["text"] == HEARD[0] for one in heard)
    report.row("rescored in the read budget", {"of": len(heard), "changed": changed, "late": late})
    told = sorted({one.value["reason"] for one in heard})
    check(changed + late == len(heard) and plain == late, f"rescored, or plain and late: {told}")
    check(late <= LATE_SHARE_MAX * len(heard), f"{late} of {len(heard)} were late")
    answer = rescorer.ask({"customer": CUSTOMER, "token": "unknown", "hypotheses": hypotheses})
    unchanged = answer["text"] == HEARD[0] and answer["context"] == "missed"
    check(unchanged, "the plain text where the context is unknown")

    swept = [sweeper.invoke({"customer": CUSTOMER}).took_ms for _ in range(60)]
    report.times("warm sweep", swept, limit_ms)


def _tell(recorder: Function, interaction: str) -> list[Answer]:
    """A turn, one direct invocation a record, in order."""
    answers = [recorder.invoke(record) for record in dialogue.turn(interaction).values()]
    failed = [one.error for one in answers if one.error is not None]
    if failed:
        raise SystemExit(f"record_event failed: {failed[0]}")
    return answers


def _batches(place: Place, recorder: Function) -> None:
    """Ten records at once; one poisoned message fails alone, in a stream it repeats the rest."""
    check, poison = place.report.check, {"customer": CUSTOMER, "message": {}}
    taken = []
    for number in range(10):
        one, two = dialogue.turn(f"batch-{number}"), dialogue.turn(f"batch-{number}-more")
        answer = recorder.invoke(sqs(*one.values(), two["recognize"], two["utterance"]))
        check(answer.value == {"batchItemFailures": []}, f"a good batch: {answer}")
        taken.append(answer.took_ms)
    place.report.times("warm record_event, 10 of SQS", taken)
    good = dialogue.turn("poisoned")
    answer = recorder.invoke(sqs(good["recognize"], "{", good["utterance"], poison))
    failed = [one["itemIdentifier"] for one in answer.value["batchItemFailures"]]
    check(failed == ["message-1", "message-3"], f"SQS: the poisoned fail alone, not {failed}")
    answer = recorder.invoke(kinesis(good["recognize"], poison, good["utterance"], poison))
    failed = [one["itemIdentifier"] for one in answer.value["batchItemFailures"]]
    check(failed == ["0001"], f"Kinesis: the first failure is reported, not {failed}")


def _sweeps(place: Place, recorder: Function, sweeper: Function) -> None:
    """Recording asks for a sweep; it settles what is due, and what is not comes again."""
    check = place.report.check
    recorder.ask(dialogue.turn("left")["recognize"])
    message = place.services.sent[-1]
    check(message["DelaySeconds"] == 12, f"a sweep after grace and margin: {message}")
    early = sweeper.ask(sqs(message["MessageBody"]))
    check(len(early["batchItemFailures"]) == 1, "a turn that is not due comes again")
    hidden = [(one["ReceiptHandle"], one["VisibilityTimeout"]) for one in place.services.hidden]
    soon = len(hidden) == 1 and hidden[0][0] == "receipt-0" and 0 < hidden[0][1] <= 12
    check(soon, f"and when it is due, not after the queue's time-out: {hidden}")
    sweeper.ask({"customer": CUSTOMER})
    old = dialogue.turn("old")["recognize"]
    recorder.ask(old | {"received_at": old["received_at"] - 60_000})
    settled = sweeper.ask({"customer": CUSTOMER})["settled"]
    check(settled == 1, f"the sweep settles the turn that is due: {settled}")
    done = sweeper.ask(sqs({"customer": CUSTOMER, "interaction": "old"}))
    check(done == {"batchItemFailures": []}, "a turn that is settled does not come again")


def _wrong_input(place: Place, functions: list[Function]) -> None:
    """An error that names the field, and the next invocation as if nothing had been."""
    for function in functions:
        error = function.invoke({"customer": CUSTOMER, "hypotheses": 5}).error or {}
        named = error.get("errorType") in ("InputError", "EnvelopeError")
        told = error.get("errorMessage", "")
        fields = ("message", "received_at", "interaction", "hypotheses", "field")
        place.report.check(
            named and any(one in told for one in fields), f"{function.name}: {error}"
        )


def _timeout(place: Place, recorder: Function, reader: Function) -> None:
    """The embedding function hangs: an answer before Lambda's deadline, with that item failed."""
    check, told = place.report.check, dialogue.turn("slow")
    *before, (_, trigger), _ = told.items()
    for _, record in before:
        recorder.ask(record)
    place.services.stall()
    other = dialogue.turn("meanwhile")["recognize"]
    answer = recorder.invoke(sqs(trigger, other), SHORT_DEADLINE_MS)
    failed = [one["itemIdentifier"] for one in (answer.value or {}).get("batchItemFailures", [])]
    place.report.row("timeout", {"answered_before_deadline_ms": answer.left_ms, "failed": failed})
    check(answer.left_ms > 0 and failed == ["message-0"], f"only the slow item fails: {answer}")
    place.services.resume()
    again = recorder.ask(sqs(trigger))
    check(again == {"batchItemFailures": []}, f"its redelivery is acknowledged: {again}")
    found = reader.ask({"customer": CUSTOMER, "interaction": "slow"})
    check(found["state"] == "hit", f"and the turn is embedded: {found['state']}, {found['reason']}")


def _crash(place: Place, reader: Function) -> None:
    """kill -9 while the turn is being embedded; a new process gets the redelivery."""
    check, told = place.report.check, dialogue.turn("crash")
    *before, (_, trigger), _ = told.items()
    with place.function("record_event") as recorder:
        for _, record in before:
            recorder.ask(record)
        place.services.stall()
        recorder.begin(sqs(trigger))
        stalled = place.services.stalled.wait(10)
        recorder.kill()
    place.services.resume()
    check(stalled, "the process was killed while it waited for the embedding")
    with place.function("record_event") as recorder:
        again = recorder.ask(sqs(trigger, told["recognize"], told["started"]))
    check(again == {"batchItemFailures": []}, f"the redelivery is acknowledged: {again}")
    found = reader.ask({"customer": CUSTOMER, "interaction": "crash"})
    contexts = asyncio.run(_contexts(place, "crash"))
    place.report.row("crash", {"state": found["state"], "contexts": contexts})
    check((found["state"], contexts) == ("hit", 1), f"embedded once: {found['reason']}")


async def _contexts(place: Place, interaction: str) -> int:
    """How many context embeddings the status item refers to."""
    async with clients(servers.endpoint(place.dynamodb, place.kms)) as opened:
        store = DynamoEventStore(opened.dynamodb, Tables(), SystemClock())
        status = await store.read(TurnKey(CUSTOMER, interaction))
    refs = status.refs if status is not None else ()
    return sum(ref.kind is PayloadKind.CONTEXT for ref in refs)


def said(place: Place) -> None:
    """Logs, metrics, traces and calls: there, correlated, and without a text."""
    check, logs = place.report.check, b"".join(log.read_bytes() for log in place.logs.iterdir())
    forms = [form for word in CANARIES for form in (word, word.capitalize())]
    for name, blob in (
        ("logs", logs),
        ("traces", b"\n".join(place.xray.packets)),
        ("calls of the embedding function", b"\n".join(place.services.invoked)),
        ("queue", json.dumps(place.services.sent).encode()),
    ):
        check(blob != b"" and find_canaries(blob, forms) == [], f"{name}: no text in them")
    lines = [_line(line) for line in logs.decode().splitlines()]
    counted = {name for line in lines for name in line if "_aws" in line}
    check(counted >= METRICS, f"metrics: {sorted(METRICS - counted)} are missing")
    settled = [line for line in lines if line.get("message") == "settled"]
    check(all("interaction" in line for line in settled) and settled != [], "logs name the turn")
    documents = place.xray.documents()
    faults = {one["name"] for one in documents if one.get("fault")}
    check(faults >= WRONG, f"traces: no fault of {sorted(WRONG - faults)}, which had wrong input")
    inner = [one for document in documents for one in document.get("subsegments", [])]
    named = [one for one in inner if "interaction" in one.get("annotations", {})]
    place.report.row("said", {"log_lines": len(lines), "traces": len(documents)})
    check(len(named) > TURNS, "traces name the turn")


def _line(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
