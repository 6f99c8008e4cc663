"""Questions answered block by block over a crew, merged in the order of their numbers.

A block's figures depend on its number alone and sums on nothing else, so the answer is the same for
any number of workers, and for a run that was stopped and went on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from ctxasr.evaluate.fleet.checkpoint import Checkpoint
from ctxasr.evaluate.fleet.crews import Crew, Job
from ctxasr.sim.fleet.blocks import Block
from ctxasr.sim.fleet.question import Question
from ctxasr.sim.fleet.summary import Summary

AHEAD_MAX: Final = 4
"""How many times the crew's room a block may be ahead of the one that is merged next."""

Progress = Callable[[int, int], None]
"""Called with the blocks that are done, and all blocks."""


def answer(
    questions: Sequence[Question],
    crew: Crew,
    checkpoint: Checkpoint | None = None,
    progress: Progress = lambda done, total: None,
) -> list[Summary]:
    """A summary for each question.

    Raises:
        WorkerLost: a worker process ended.
        OSError: the checkpoint cannot be written.
    """
    jobs = [Job(at, block) for at, one in enumerate(questions) for block in range(one.blocks)]
    summaries = [Summary() for _ in questions]
    early: dict[Job, Block] = {}  # done, and not yet merged
    merged = begun = under_way = 0
    done = 0 if checkpoint is None else len(checkpoint)
    progress(done, len(jobs))
    while merged < len(jobs):
        until = min(len(jobs), merged + AHEAD_MAX * crew.room)
        while begun < until and under_way < crew.room:
            if checkpoint is None or jobs[begun] not in checkpoint:
                crew.start(jobs[begun])
                under_way += 1
            begun += 1
        next_job = jobs[merged]
        if next_job in early:
            summaries[next_job.question].add(early.pop(next_job))
            merged += 1
        elif checkpoint is not None and next_job in checkpoint:
            summaries[next_job.question].add(checkpoint.get(next_job))
            merged += 1
        else:
            for job, block in crew.finished():
                if checkpoint is not None:
                    checkpoint.add(job, block)
                early[job] = block
                under_way -= 1
                done += 1
                progress(done, len(jobs))
    for summary in summaries:
        summary.finish()
    return summaries
