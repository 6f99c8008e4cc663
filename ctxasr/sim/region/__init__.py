"""A simulated region and the processes in it.

    tables     the two tables; status and vault: their ports
    replicas   leader and followers by time stamps; buckets: sizes, and capacity of a partition
    requests   the way to the tables and KMS, and what befalls a request on it
    nodes      processes with clocks of their own; doubles: their slow ports
    latency    what takes how long
    what_if    other designs, as ports that behave differently

Nothing is imported here.
"""
