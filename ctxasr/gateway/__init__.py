"""The way in for clients, and the way out to other recognisers; nothing is imported here.

http/            `ctxasr serve`
requests         what callers ask of the service, in JSON
batches          records of SQS and Kinesis, and which of them failed
contexts         a turn's context: as vectors, or put to use (loads numpy)
neighbours       the functions and queues that the recording function calls
protocols/       Home Assistant's Assist and Wyoming -> records; pure
export/          a turn's biasing phrases -> what other recognisers take, within their limits
"""
