"""Other protocols, told as the records that AVS clients send; nothing is imported here.

    dialogue         turns of one device, as records
    assist           Home Assistant's Assist pipeline events  -> dialogue
    wyoming          Wyoming messages                         -> dialogue, and the answers to them
    wyoming_frames   Wyoming messages                        <-> bytes
    forms            what the fields of their messages are checked against

All are pure and synchronous: state in, state and records out.
"""
