"""Every interleaving of a small turn, over the real stages; and the claim protocol as a model.

    small_turns    the turns that are explored
    stepped        a real handler that stops at each store operation
    tables         the stores as numbered states; handlers: the handlers; turn: both together
    checks         what must hold; search: all states; one_by_one: the same, one order at a time
    claim_model    the protocol as an explicit-state model, as in infra/claim.tla; claim_checks

Nothing is imported here.
"""
