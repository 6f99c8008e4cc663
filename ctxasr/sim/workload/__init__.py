"""What a fleet is asked: dialogues drawn from statistics, from scenarios or from a trace.

    statistics  `Workload`: shares, durations and sizes, with the source of every default

Nothing is imported here.
"""
