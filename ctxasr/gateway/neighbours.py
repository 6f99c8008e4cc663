"""What functions call next door: the function that embeds, the queue of the sweep.

    async with neighbours("embed-context", "https://sqs.../sweep") as (embedder, sweeps):
        await embedder.embed(key, device)
        await sweeps.later(turn, delay_s)       and in the sweep itself
        await sweeps.again(receipt, delay_s)

Endpoints are those of the usual AWS settings (AWS_ENDPOINT_URL_LAMBDA, AWS_ENDPOINT_URL_SQS).
aioboto3 is imported when it is first used.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final, NamedTuple

from ctxasr.errors import ContextUnavailable, InputError
from ctxasr.events import EventKey, TurnKey
from ctxasr.gateway.batches import BATCH_AT_ONCE_MAX
from ctxasr.settings import SHOWN_CHARS_MAX
from ctxasr.store.caller import Caller, refused
from ctxasr.store.clients import usual_session
from ctxasr.urls import is_url

EMBED_READ_TIMEOUT_S: Final = 15.0
"""The embedding function's own time-out; the compute window usually ends sooner."""

SWEEP_DELAY_S_MAX: Final = 900
"""What SQS may hold a message back; a sweep that comes too early comes again."""

_ERROR_NAME: Final = re.compile(r"[A-Za-z_][\w.]{0,100}")


class Neighbours(NamedTuple):
    """Each where the settings name it."""

    embedder: LambdaEmbedder | None
    sweeps: SweepQueue | None


@asynccontextmanager
async def neighbours(
    embed_function: str | None, sweep_queue_url: str | None
) -> AsyncIterator[Neighbours]:
    """Open the clients that are wanted, without retries of their own.

    Raises:
        InputError: the queue's address is no URL.
    """
    embedder, sweeps = None, None
    if sweep_queue_url and not is_url(sweep_queue_url):
        raise InputError(
            f"CTXASR_SWEEP_QUEUE_URL is {sweep_queue_url[:SHOWN_CHARS_MAX]!r}: the queue's URL, "
            "as https://sqs.eu-west-1.amazonaws.com/..., would be right"
        )
    async with AsyncExitStack() as stack:
        if embed_function or sweep_queue_url:
            from aiobotocore.config import AioConfig

            session = usual_session()
            config = AioConfig(
                connect_timeout=1.0,
                read_timeout=EMBED_READ_TIMEOUT_S,
                max_pool_connections=BATCH_AT_ONCE_MAX,
                retries={"total_max_attempts": 1, "mode": "standard"},
            )
            if embed_function:
                client = session.client("lambda", config=config)
                embedder = LambdaEmbedder(await stack.enter_async_context(client), embed_function)
            if sweep_queue_url:
                client = session.client("sqs", config=config)
                sweeps = SweepQueue(await stack.enter_async_context(client), sweep_queue_url)
        yield Neighbours(embedder, sweeps)


class LambdaEmbedder:
    """`ports.Embedder`: invokes `embed_context` and waits for its answer.

    Asking again is harmless, so an answer that was lost is asked for again (`store.caller`).
    """

    def __init__(self, client: Any, function: str, call: Caller | None = None) -> None:
        self._client, self._function, self._call = client, function, call or Caller()

    async def embed(self, key: EventKey, device: str) -> None:
        """Have the turn embedded and settled.

        Raises:
            ContextUnavailable: the function failed; it says with which type of error.
            StoreUnavailable: it did not answer, or was not allowed to be called.
        """
        request = {
            "customer": key.turn.customer,
            "interaction": key.turn.interaction,
            "event": key.event,
            "device": device,
        }
        answer = await _send(
            self._call,
            self._client,
            "invoke",
            FunctionName=self._function,
            InvocationType="RequestResponse",
            Payload=json.dumps(request).encode(),
        )
        async with answer["Payload"] as stream:
            body = await stream.read()
        if "FunctionError" in answer:
            raise ContextUnavailable(f"the embedding function failed: {_error_name(body)}")


class SweepQueue:
    """Asks for a turn to be looked at later, when no event may settle it any more."""

    def __init__(self, client: Any, url: str, call: Caller | None = None) -> None:
        self._client, self._url, self._call = client, url, call or Caller()

    async def later(self, turn: TurnKey, delay_s: float) -> None:
        """Send once; repeated sweeps are harmless.

        Raises:
            StoreUnavailable: perhaps sent.
        """
        body = {"customer": turn.customer, "interaction": turn.interaction}
        await _send(
            self._call,
            self._client,
            "send_message",
            QueueUrl=self._url,
            MessageBody=json.dumps(body),
            DelaySeconds=_whole_s(delay_s),
        )

    async def again(self, receipt: str, delay_s: float) -> None:
        """Have a message that was received come again, not when the queue's time-out is over.

        A fresh message would do as well, but Lambda takes a function that feeds its own queue for
        a loop, and stops it after 16 rounds. So the queue's redrive policy bounds this.

        Raises:
            StoreUnavailable: perhaps heard; else the message comes when the time-out is over.
        """
        await _send(
            self._call,
            self._client,
            "change_message_visibility",
            QueueUrl=self._url,
            ReceiptHandle=receipt,
            VisibilityTimeout=_whole_s(delay_s),
        )


def _whole_s(delay_s: float) -> int:
    return min(SWEEP_DELAY_S_MAX, max(1, round(delay_s)))


async def _send(call: Caller, client: Any, operation: str, **request: Any) -> dict[str, Any]:
    from botocore.exceptions import ClientError

    try:
        return await call(client, operation, **request)
    except ClientError as error:
        raise refused(client, operation, error) from None


def _error_name(body: bytes) -> str:
    """The type of a function's error; its message may quote anything."""
    try:
        name = json.loads(body)["errorType"]
    except (ValueError, KeyError, TypeError):
        return "unknown"
    return name if isinstance(name, str) and _ERROR_NAME.fullmatch(name) else "unknown"
