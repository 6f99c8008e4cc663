"""What a fleet is asked: dialogues drawn from statistics, from scenarios or from a trace.

    statistics  `Workload`: shares, durations and sizes, with the source of every default
    curve       when dialogues begin over the day
    turns       one turn: uniform numbers to times, sizes and choices, and those to deliveries
    blocks      `draw_block`: the dialogues of a fleet as plans, by their numbers
    scripted    `Script`: a dialogue that is written down
    trace       what a service logged, line by line; fit: a trace to a workload and latencies
    document    figures as plain data; files: workload files

Nothing is imported here.
"""
