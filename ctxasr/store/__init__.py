"""The event-status table and the payload table, on DynamoDB, in memory, and on a local server.

    schema    names, limits, items, sealed payloads: the wire form that every store shares
    clients   the low-level clients of an endpoint
    caller    one request, and the one place where it is repeated
    dynamodb  EventStore over DynamoDB
    vault     PayloadVault over DynamoDB and KMS
    memory    both ports in memory: the executable specification, for your own tests too
    local     DynamoDB and KMS on loopback; set-up of tables and key

Nothing is imported here: the recording Lambda loads neither the local server nor the other stores.
"""
