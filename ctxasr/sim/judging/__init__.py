"""What is seen in a simulation, and how it is judged.

    watch      what is seen during a run; evidence: all that is known at its end
    invariants the fifteen of the design
    coverage   how often every fault and every branch was reached

Nothing is imported here.
"""
