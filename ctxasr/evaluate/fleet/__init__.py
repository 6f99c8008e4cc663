"""A fleet in virtual time, over processes and machines: what it comes to, and what it costs.

asking     a question from names and numbers; parameters that can be swept
runner     blocks over a crew of workers, merged in their order, kept in a checkpoint
crews      this process, worker processes; on_ray: machines with Ray
checkpoint finished blocks in a file, so that a run that was stopped goes on
figures    shares, tails, capacity and costs with their intervals; queues: workers needed
against    what a what-if gains and loses against the design
failing    a violation made small
"""
