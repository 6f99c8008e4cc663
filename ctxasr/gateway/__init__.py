"""The way in for clients, and the way out to other recognisers; nothing is imported here.

http/            `ctxasr serve`
requests         what callers ask of the service, in JSON
batches          records of SQS and Kinesis, and which of them failed
contexts         a turn's context: as vectors, or put to use (loads numpy)
neighbours       the functions and queues that the recording function calls
dialogue         turns of one device, told as the records that AVS clients send
assist           Home Assistant's Assist pipeline events  -> dialogue
wyoming          Wyoming messages                         -> dialogue, and the answers to them
wyoming_frames   Wyoming messages                        <-> bytes
export/          a turn's biasing phrases -> what other recognisers take, within their limits

The last five are pure and synchronous: state in, state and records out.
"""
