"""The simulator: the shipped stages on virtual time, over a model of DynamoDB, with drawn faults.

    loop          an asyncio event loop on virtual time, for your own tests too (parts, stacks)
    luck          draws that belong to a place; quantiles: distributions, fitted or assumed
    plans/        what happens, as plain data: events and faults, drawn from a seed, made small
    region/       the tables, KMS, their capacity and replicas, the nodes; other designs
    world         carries a plan out: `simulate(plan, MemoryEventStore)`; runs: what comes of it
    judging/      what is seen of a run, the fifteen invariants, coverage
    workload/     what a fleet is asked: dialogues from statistics, scenarios or a trace
    fleet/        blocks of many dialogues: what is kept of each, and how they add up
    twin/         the same without faults, by arrays
    exploration/  every interleaving of a small turn, and the claim protocol as a model

Nothing is imported here.
"""
