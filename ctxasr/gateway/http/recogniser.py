"""The recogniser that all utterances share: whose turn it is, and a new one when it has died."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence

from ctxasr.errors import MissingPart
from ctxasr.gateway.http import limits
from ctxasr.gateway.http.logs import log
from ctxasr.gateway.http.problems import too_many, unavailable
from ctxasr.hypotheses import Recognition
from ctxasr.ports import AcousticScorer, Samples
from ctxasr.speech.recognisers import Engine, scorer_of


class Recogniser:
    """`make` makes one that is not loaded yet; `hearing` is one that is."""

    def __init__(self, make: Callable[[], Engine], hearing: Engine | None = None) -> None:
        self._make, self._hearing = make, hearing or make()
        self._making: asyncio.Task[None] | None = None
        self._at_work: Counter[str] = Counter()
        self._closed = False

    async def recognise(self, customer: str, samples: Callable[[], Samples]) -> Recognition:
        """Decode what `samples` returns; reading it may take a while too.

        Raises:
            Problem: no place is free, for this customer or at all, or the recogniser has died.
            AudioError, LimitExceeded: by `samples`.
        """
        if self._at_work.total() >= limits.RECOGNITIONS_MAX:
            detail = f"RECOGNITIONS_MAX is {limits.RECOGNITIONS_MAX}: all places are taken"
            raise unavailable("RecogniserBusy", detail)
        if self._at_work[customer] >= limits.RECOGNITIONS_OF_ONE_MAX:
            raise too_many("RECOGNITIONS_OF_ONE_MAX", limits.RECOGNITIONS_OF_ONE_MAX)
        self._at_work[customer] += 1
        hearing = self._hearing
        try:
            if self.loads:
                raise MissingPart("there is none yet")
            return await hearing.recognize(await asyncio.to_thread(samples))
        except MissingPart:
            if hearing is self._hearing and not self.loads and not self._closed:
                self._making = asyncio.create_task(self._make_anew())  # for the first that sees it
            raise unavailable("RecogniserDied", "the recogniser is being made anew") from None
        finally:
            self._at_work[customer] -= 1
            if not self._at_work[customer]:
                del self._at_work[customer]

    @property
    def scorer(self) -> AcousticScorer | None:
        """Scores texts by the recogniser that has heard them, where that can."""
        return None if scorer_of(self._hearing) is None else self

    async def log_likelihoods(self, recognition: Recognition, texts: Sequence[str]) -> list[float]:
        scorer = scorer_of(self._hearing)
        assert scorer is not None, "`scorer` was asked first"
        return await scorer.log_likelihoods(recognition, texts)

    @property
    def loads(self) -> bool:
        """Whether there is none that could hear; it is being made."""
        return self._making is not None and not self._making.done()

    async def _make_anew(self) -> None:
        """Another one, until one can be loaded; never two processes at once."""
        log("recogniser died", logging.ERROR)
        while True:
            await asyncio.to_thread(self._hearing.close)
            self._hearing = self._make()
            try:
                return await self._hearing.load()
            except Exception as error:
                log("recogniser not loaded", logging.ERROR, error=type(error).__name__)
            await asyncio.sleep(limits.REMAKE_PAUSE_S)

    async def close(self) -> None:
        """Let go of it; waits for an utterance that is being decoded."""
        self._closed = True
        if self._making is not None:
            self._making.cancel()
            await asyncio.wait([self._making])
        await asyncio.to_thread(self._hearing.close)
