"""What happens in a simulation, as plain data.

    plan       lines of deliveries and faults; faults: what may go wrong
    draw       a seed to a plan; templates: the messages of its events
    shrink     a failing plan made small

Nothing is imported here.
"""
