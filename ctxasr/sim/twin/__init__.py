"""The fault-free questions, answered for millions of turns a second: the protocol as arrays.

    play(Workload(), Latencies(), dialogues=1_000_000, seed=7)

    dice        draws by the table, many at once
    happenings  what happens in a turn, and when
    recording   the payloads' way into the tables, and the keys on their way
    claiming    who claims a turn, and who finds it claimed
    embedding   the context against its deadline
    answering   what the next utterance finds
    sizes       which writes of a status item cost two units
    units       units of payloads and contexts
    counts      what is counted; play: turn by turn through all of it

Nothing is imported here.
"""
