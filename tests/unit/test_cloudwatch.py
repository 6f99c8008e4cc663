"""What the deployed functions say of themselves: traces, counts and errors, and no text."""

from __future__ import annotations

import asyncio
import json
import socket
from dataclasses import replace
from typing import Any

import pytest
from conftest import LoopClock, World, completed, recognize, run, turn

from ctxasr.errors import EnvelopeError, StoreUnavailable
from ctxasr.events import Outcome, TurnKey
from ctxasr.pipeline import on_event, sweep
from ctxasr.report.cloudwatch import CloudWatch
from ctxasr.report.xray import PACKET_BYTES_MAX, SPANS_MAX, Traces
from ctxasr.trigger import GRACE_MS

CANARY = "zanzibarcanary"
SAMPLED = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"


@pytest.fixture
def daemon() -> Any:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.setblocking(False)
        yield listening


def traces(daemon: socket.socket, header: str) -> Traces:
    port = daemon.getsockname()[1]
    address = f"tcp:127.0.0.1:1 udp:127.0.0.1:{port}"
    return Traces(LoopClock(), {"_X_AMZN_TRACE_ID": header, "AWS_XRAY_DAEMON_ADDRESS": address})


def test_tasks_of_one_batch_keep_their_own_spans(daemon: socket.socket) -> None:
    watched = traces(daemon, SAMPLED)

    async def one(interaction: str, takes_s: float) -> None:
        with watched.span("record", interaction=interaction):
            await asyncio.sleep(takes_s)
            with watched.span("status.record"):
                await asyncio.sleep(takes_s)
            if interaction == "bad":
                raise StoreUnavailable(CANARY)

    async def main() -> None:
        with watched.invocation("record_event"):
            await asyncio.gather(one("a", 2), one("bad", 1), return_exceptions=True)

    run(main())
    packet = daemon.recv(65_536)
    watched.close()
    assert CANARY.encode() not in packet
    lead, _, body = packet.partition(b"\n")
    tree = json.loads(body)
    assert json.loads(lead) == {"format": "json", "version": 1}
    assert (tree["name"], tree["type"]) == ("record_event", "subsegment")
    assert (tree["trace_id"], tree["parent_id"]) == (SAMPLED[5:40], "53995c3f42cd8ad8")
    first, second = tree["subsegments"]
    assert first["annotations"] == {"interaction": "a"}
    assert second["annotations"] == {"interaction": "bad", "error": "StoreUnavailable"}
    assert second["fault"]
    assert [one["subsegments"][0]["name"] for one in (first, second)] == ["status.record"] * 2
    assert first["end_time"] - first["start_time"] == pytest.approx(4)
    assert second["end_time"] - second["start_time"] == pytest.approx(2)


def test_an_invocation_that_fails_is_traced_as_a_fault(daemon: socket.socket) -> None:
    watched = traces(daemon, SAMPLED)

    async def main() -> None:
        with watched.invocation("rescore"), watched.span("rescore"):
            raise StoreUnavailable(CANARY)

    with pytest.raises(StoreUnavailable):
        run(main())
    tree = json.loads(daemon.recv(65_536).split(b"\n", 1)[1])
    watched.close()
    assert (tree["fault"], tree["subsegments"][0]["fault"]) == (True, True)
    assert tree["annotations"] == {"error": "StoreUnavailable"}
    assert tree["end_time"] >= tree["start_time"]
    assert CANARY not in json.dumps(tree)


@pytest.mark.parametrize("header", ["", "Root=1;Parent=2;Sampled=0", "Sampled=1", "nonsense"])
def test_what_is_not_sampled_is_not_traced(daemon: socket.socket, header: str) -> None:
    watched = traces(daemon, header)

    async def main() -> None:
        with watched.invocation("rescore"), watched.span("fetch"):
            pass

    run(main())
    with pytest.raises(BlockingIOError):
        daemon.recv(65_536)


@pytest.mark.parametrize("address", ["127.0.0.1:9", "nowhere", "x:y:z", ""])
def test_a_missing_daemon_costs_nothing(address: str) -> None:
    watched = Traces(LoopClock(), {"_X_AMZN_TRACE_ID": SAMPLED, "AWS_XRAY_DAEMON_ADDRESS": address})

    async def main() -> None:
        for _ in range(3):
            with watched.invocation("rescore"):
                pass

    run(main())
    watched.close()


def test_a_trace_stays_within_one_packet(daemon: socket.socket) -> None:
    watched = traces(daemon, SAMPLED)

    async def main(length: int) -> None:
        with watched.invocation("sweep"):
            for _ in range(SPANS_MAX + 5):
                with watched.span("turn", interaction="i"), watched.span("status.settle" * length):
                    pass

    for length in (1, 60):
        run(main(length))
        packet = daemon.recv(65_536)
        assert len(packet) <= PACKET_BYTES_MAX
        tree = json.loads(packet.split(b"\n", 1)[1])
        inner = [len(one.get("subsegments", [])) for one in tree["subsegments"]]
        assert sum(inner) + len(inner) < SPANS_MAX
        assert (sum(inner) > 0) == (length == 1), "leaves are left out where they do not fit"
    watched.close()


def test_a_turn_counts_once_where_it_is_settled(capsys: pytest.CaptureFixture[str]) -> None:
    world, watch = World(), CloudWatch(LoopClock())
    ports = replace(world.ports, store=watch.counting(world.store), telemetry=watch)

    async def main() -> None:
        for record in turn().values():
            await on_event(record, ports)
            await on_event(record, ports)
        turns = [TurnKey("customer", f"turn-{number}") for number in (1, 2)]
        await ports.store.settle(turns[0], Outcome.MISSED, owner="somebody else")
        await on_event(completed("turn-2"), ports)
        await ports.store.settle(turns[1], Outcome.DISCARDED, owner=None)  # it is already
        elsewhere = await on_event(completed("turn-3"), world.ports)  # another process's store
        await ports.store.settle(elsewhere.turn, Outcome.MISSED, owner=None)

    run(main())
    watch.flush()
    watch.flush()  # nothing new: no line, no warning
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (metrics,) = [line for line in lines if "_aws" in line]
    counted = {name: sum(metrics[name]) for name in ("Recorded", "EmbeddedTurns", "DiscardedTurns")}
    assert counted == {"Recorded": 17, "EmbeddedTurns": 1, "DiscardedTurns": 1}
    assert "MissedTurns" not in metrics
    assert metrics["WindowSlackMs"] == [4_000.0]
    assert metrics["EmbedMs"] == [0.0]
    assert metrics["service"] == "ctxasr"
    assert metrics["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "ctxasr"
    settled = [line for line in lines if line.get("message") == "settled"]
    assert {line["interaction"] for line in settled} == {"turn-1"}


def test_a_turn_that_a_sweep_could_not_close_is_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    world, watch = World(), CloudWatch(LoopClock())

    async def refuses(name: str, call: Any) -> Any:
        if name == "settle":
            raise StoreUnavailable("refused")
        return await call()

    async def main() -> None:
        await world.deliver([recognize("turn-1"), recognize("turn-2")])
        world.clock.skipped_ms = GRACE_MS
        with pytest.raises(StoreUnavailable):
            await sweep("customer", replace(world.process(refuses), telemetry=watch))

    run(main())
    watch.flush()
    (metrics,) = [
        line for line in map(json.loads, capsys.readouterr().out.splitlines()) if "_aws" in line
    ]
    assert metrics["UnclosedTurns"] == [1.0, 1.0]


def test_errors_of_others_are_told_by_type_alone(capsys: pytest.CaptureFixture[str]) -> None:
    watch = CloudWatch(LoopClock())
    watch.failed("comes again", RuntimeError(CANARY), item="message-1")
    watch.failed("comes again", EnvelopeError("header.name: Field required"), item="message-2")
    out = capsys.readouterr().out
    assert CANARY not in out
    first, second = (json.loads(line) for line in out.splitlines())
    assert (first["error"], first["item"]) == ("RuntimeError", "message-1")
    assert "reason" not in first
    assert second["reason"] == "header.name: Field required"
