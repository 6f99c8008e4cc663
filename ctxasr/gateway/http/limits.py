"""Every limit of the door. Those of texts, lists and envelopes are in events and envelopes."""

from __future__ import annotations

from typing import Final

from ctxasr.envelopes import MESSAGE_BYTES_MAX

JSON_BYTES_MAX: Final = MESSAGE_BYTES_MAX + 8_192
"""A JSON body: one envelope, and the few fields around it."""

SOUND_BYTES_MAX: Final = 4_194_304
"""A sound as body: a minute of 16 bits mono at 32 kHz, or twenty seconds in stereo at 48 kHz."""

PCM_BYTES_MAX: Final = 1_920_000
"""The `audio` part of an AVS event: a minute of 16 bits mono at 16 kHz."""

FORM_BYTES_MAX: Final = MESSAGE_BYTES_MAX + PCM_BYTES_MAX + 8_192
"""A multipart body: metadata, audio, and the lines between them."""

PARTS_MAX: Final = 4
"""Parts of one multipart body; AVS sends two."""

PART_HEADERS_MAX: Final = 8
PART_HEADER_BYTES_MAX: Final = 1_024
"""Headers of one part, and the length of each."""

HEADERS_MAX: Final = 64
"""Headers of one request; browsers behind proxies send about thirty."""

HEADER_BYTES_MAX: Final = 16_384
"""Request line and headers together."""

PIECE_BYTES_MAX: Final = 8_192
"""What is taken at once of what a client sends; then the others have their turn. As chunks or
frames of one byte it holds the loop for some ten milliseconds."""

HEADERS_S_MAX: Final = 10.0
"""How long a connection may take for request line and headers."""

KEEP_ALIVE_S: Final = 5
"""How long an idle connection is kept for its next request."""

BODY_PAUSE_S_MAX: Final = 10.0
"""The longest pause inside a body."""

BODY_S_MAX: Final = 90.0
"""A whole body: a minute of speech is sent while it is spoken."""

DRAIN_BYTES_MAX: Final = 8_388_608
DRAIN_S_MAX: Final = 1.0
"""What is still read of a refused body, so that the client gets to read why; no more than that."""

SEND_S_MAX: Final = 20.0
"""How long an answer may lie here before the client has taken all of it in."""

REQUESTS_MAX: Final = 64
"""Requests at work at once; the store's client has as many connections."""

REQUESTS_OF_ONE_MAX: Final = 16
"""Of one customer: a quarter of the places."""

RECOGNITIONS_MAX: Final = 8
"""Utterances that are decoded or wait for it: at 0.2 of real time the last waits for seconds."""

RECOGNITIONS_OF_ONE_MAX: Final = 2
"""Of one customer: one utterance, and one that is sent again because its answer was lost."""

CONNECTIONS_MAX: Final = 512
"""Open connections; the oldest idle one makes room for the next."""

CONNECTIONS_RESERVED_MAX: Final = 16
"""More than those, where all are at work: they may ask `/healthz` and the like, nothing else."""

CONNECTIONS_OF_ADDRESS_MAX: Final = 64
"""Of one address that have not shown a token yet: an eighth of the places. A proxy's connections
show one with their first request."""

CONNECTIONS_OF_CUSTOMER_MAX: Final = 128
"""Of one customer: a quarter of the places."""

TARGET_BYTES_MAX: Final = 8_192
"""A path with its query, as sent: two ids of 256 and a token of 900 characters, each escaped in
three bytes, take half of it."""

STREAMS_MAX: Final = 32
"""Requests that are open at once on one HTTP/2 connection: twice what one customer may have."""

STREAM_WINDOW_BYTES_MAX: Final = 65_535
CONNECTION_WINDOW_BYTES_MAX: Final = 262_144
"""What an HTTP/2 client may send of one body, and of all of one connection, before it is read."""

FRAME_BYTES_MAX: Final = 16_384
"""One HTTP/2 frame: as long as any client may send it unless it is allowed more."""

HEADER_TABLE_BYTES_MAX: Final = 4_096
"""Headers that an HTTP/2 connection remembers of its answers, whatever more its client allows."""

SEND_BUFFER_BYTES_MAX: Final = 65_536
"""What is kept of an HTTP/2 answer that its client does not take, before its route has to wait."""

CONTROL_FRAMES_MAX: Final = 1_000
CONTROL_FRAMES_S: Final = 10.0
"""HTTP/2 frames that carry nothing (PING, SETTINGS, WINDOW_UPDATE, PRIORITY, empty DATA) of one
connection, in such a time; a client that takes an answer of 4 MB sends about a hundred."""

RESETS_MAX: Final = 100
"""Requests that one HTTP/2 connection may take back: each has been worked for."""

HANDSHAKE_S_MAX: Final = 10.0
"""How long a connection may take for the TLS handshake; it has its place from the beginning."""

CHANNELS_MAX: Final = 256
CHANNELS_OF_ONE_MAX: Final = 8
"""Downchannels, of all and of one customer; the newest of a device replaces its older one."""

CHANNEL_PAUSE_S: Final = 30.0
"""Between two signs of life on a downchannel, so that no proxy in between closes it."""

CHANNEL_S_MAX: Final = 3_600.0
"""A downchannel; then the client opens the next one, as with AVS."""

RATE_PER_MIN: Final = 600
"""Requests of one customer in any minute, unless `--rate` says otherwise: forty turns."""

RATE_PER_MIN_MAX: Final = 1_000_000
"""The most that `--rate` takes."""

RECORD_S_MAX: Final = 1.0
"""How long the text of an utterance waits for its own recording; it is given either way."""

WRITING_S_MAX: Final = 30.0
"""One event, until it is written and its turn settled; then the place is wanted for others."""

FORGET_S_MAX: Final = 45.0
"""How long erasing waits for what is still being written of the customer."""

REMAKE_PAUSE_S: Final = 5.0
"""Between two attempts to make a recogniser that cannot be loaded."""

READY_S_MAX: Final = 2.0
"""How long the store may take to answer `/readyz`."""

READY_CACHE_S: Final = 1.0
"""Readiness is looked up no more often: anybody may ask."""

READY_KEY_CACHE_S: Final = 60.0
"""A KMS that has answered is asked no more often: each question is paid for."""

GRACE_S: Final = 20
"""From the signal to the end: what was received is finished in this time, or broken off."""

SWEEP_PAUSE_S: Final = 5.0
"""Between two rounds of the sweep."""

SWEEP_S_MAX: Final = 30.0
"""One customer's sweep."""

SWEEPS_AT_ONCE: Final = 8
"""Customers that are swept at the same time: one whose sweep hangs holds up no other."""

CUSTOMERS_SEEN_MAX: Final = 10_000
"""Customers whose turns are swept; the one longest silent is dropped."""

SEEN_S: Final = 600.0
"""A customer silent for so long has no open turn: no reply plays longer than four minutes."""

MESSAGES_MAX: Final = 2_000
"""Wyoming messages in one body: a minute of chunks of 30 ms."""

TURNS_MAX: Final = 1
"""Turns that the Wyoming messages of one body begin: the rate counts bodies."""

WYOMING_CONNECTIONS_MAX: Final = 16
"""Open Wyoming connections; a house has few satellites, and one that is late is told so."""

WYOMING_PAUSE_S_MAX: Final = 60.0
"""How long a Wyoming connection may be silent, or a message of it take."""

LISTENINGS_MAX: Final = 64
LISTENINGS_OF_ONE_MAX: Final = 8
LISTENING_S_MAX: Final = 70.0
"""Contexts fetched for a Recognize whose hypotheses come later: half a megabyte each at most, kept
a little longer than the longest utterance."""

DIALOGUES_MAX: Final = 10_000
DIALOGUES_OF_ONE_MAX: Final = 100
"""Devices whose dialogue is remembered between messages, of all and of one customer; the one
longest silent is dropped."""

SPEECH_TOKENS_MAX: Final = 10_000
SPEECH_TOKENS_OF_ONE_MAX: Final = 100
"""Replies remembered by their token, of all and of one customer: AVS clients name no turn when
they play one."""

TOKENS_MAX: Final = 1_000
"""Tokens in a file: more would ask for a directory of their own."""

TOKENS_FILE_BYTES_MAX: Final = 1_048_576
"""A thousand lines of a thousand characters."""

RETRY_AFTER_S: Final = 1
"""What a client is told to wait where nothing better is known."""
