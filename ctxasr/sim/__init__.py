"""The simulator: the shipped stages on virtual time, over a model of DynamoDB, with drawn faults.

    loop        an asyncio event loop on virtual time, for your own tests too (parts, stacks)
    luck        draws that belong to a place, so that a plan can be shrunk
    quantiles   distributions, fitted or assumed; latency: what takes how long
    workload/   what a fleet is asked: dialogues from statistics, scenarios or a trace
    faults      what may go wrong; plan: lines of plain data; draw: a seed to a plan
    replicas    leader and followers by time stamps; buckets: capacity of a partition
    tables      the two tables of a region; status and vault: their ports; requests: the way there
    nodes       processes with clocks of their own; doubles: their slow ports
    world       carries a plan out: `simulate(plan, MemoryEventStore)`; runs: what comes of it
    watch       what is seen during a run; evidence and invariants: how it is judged
    coverage    how often every fault and every branch was reached
    shrink      a failing plan made small
    exploration/  every interleaving of a small turn, and the claim protocol as a model

Nothing is imported here.
"""
