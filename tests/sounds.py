"""Sound files as programs write them, and broken ones: what each is, and what must be said of it.

All hold the same second of speech-like sound unless their name says otherwise.
"""

from __future__ import annotations

import base64
import gzip
import io
import struct
from typing import Any, NamedTuple

import numpy as np
import soundfile

HZ = 16_000
STREAMED = "no length"
UNREAD = "bytes behind its sound are not read"
CUT = "cut off: "
CUT_HALF = "cut off: 0.50 s of 1.00 s"


def voice(seconds: float = 1.0, rate_hz: int = HZ) -> np.ndarray:
    """Steps of 16 bits: a hum that swells and fades, with pauses of faint noise."""
    time_s = np.arange(int(seconds * rate_hz)) / rate_hz
    loud = np.clip(np.sin(2 * np.pi * 2 * time_s), 0.0, None)
    noise = np.random.default_rng(5).normal(0.0, 20.0, len(time_s))
    hum: np.ndarray = np.rint(12_000 * loud * np.sin(2 * np.pi * 220 * time_s) + noise)
    return hum.astype(np.int16)


PCM = voice().astype("<i2").tobytes()
FMT = struct.pack("<HHIIHH", 1, 1, HZ, 2 * HZ, 2, 16)


def chunk(name: bytes, data: bytes, claimed: int | None = None, order: str = "<") -> bytes:
    size = len(data) if claimed is None else claimed
    return name + struct.pack(f"{order}I", size) + data + b"\0" * (len(data) % 2)


def wav(
    *chunks: bytes, form: bytes = b"RIFF", claimed: int | None = None, order: str = "<"
) -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return form + struct.pack(f"{order}I", len(body) if claimed is None else claimed) + body


def streamed(data_bytes: int, riff_bytes: int) -> bytes:
    return wav(chunk(b"fmt ", FMT), chunk(b"data", PCM, data_bytes), claimed=riff_bytes)


def made(form: str, subtype: str | None = None, sound: Any = None, rate_hz: int = HZ) -> bytes:
    buffer = io.BytesIO()
    given = voice() if sound is None else sound
    soundfile.write(buffer, given, rate_hz, format=form, subtype=subtype)
    return buffer.getvalue()


def flac_of_unknown_length(sound: Any = None, *, md5: bool = False) -> bytes:
    data = bytearray(made("FLAC", None, sound))
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    if not md5:
        data[26:42] = bytes(16)
    return bytes(data)


def ds64(data_bytes: int) -> bytes:
    return chunk(b"ds64", struct.pack("<QQQI", 0, data_bytes, len(PCM) // 2, 0))


def rf64(data_bytes: int, form: bytes = b"RF64", sound: bytes = PCM) -> bytes:
    rest = (chunk(b"fmt ", FMT), chunk(b"data", sound, 0xFFFF_FFFF))
    return wav(ds64(data_bytes), *rest, form=form, claimed=0xFFFF_FFFF)


def swapped(data: bytes) -> bytes:
    return np.frombuffer(data, "<i2").astype(">i2").tobytes()


class Sound(NamedTuple):
    """A file. `said`: parts of its notes, in their order; `error`: of the message, if refused."""

    data: bytes
    said: tuple[str, ...] = ()
    error: str = ""
    seconds: float = 1.0
    exact: bool = False
    """Whether the samples are those of `voice`, to the bit, as far as they are there."""


def stereo(left: Any, right: Any, rate_hz: int = HZ, form: str = "WAV") -> bytes:
    return made(form, None, np.stack([left, right], axis=1), rate_hz)


COMMENT = chunk(b"LIST", b"INFOICMT" + struct.pack("<I", 12) + b"data\x10\0\0\0data")
EXTENSIBLE = struct.pack(
    "<HHIIHHHHIH14s", 0xFFFE, 1, HZ, 2 * HZ, 2, 16, 22, 16, 4, 1,
    bytes.fromhex("000000001000800000aa00389b71"),
)  # fmt: skip
TIME_S = np.arange(HZ) / HZ
FLOATS = voice().astype(np.float32)
TOO_LOUD = np.clip(5 * voice().astype(np.int32), -32_768, 32_767).astype(np.int16)
TURNED_DOWN = (TOO_LOUD * 0.4).astype(np.int16)
HALF = len(PCM) // 2
AIFF, CAF, AU, OGG, MP3 = (made(form) for form in ("AIFF", "CAF", "AU", "OGG", "MP3"))


def aiff(claimed: int) -> bytes:
    at = AIFF.index(b"SSND") + 4
    return AIFF[:at] + struct.pack(">I", claimed) + AIFF[at + 4 :]


def caf(claimed: int) -> bytes:
    at = CAF.index(b"data") + 4
    return CAF[:at] + struct.pack(">q", claimed) + CAF[at + 8 :]


def adts(frames: int, size: int = 100) -> bytes:
    """AAC frames of `size` bytes, silent ones."""
    head = bytes(
        [0xFF, 0xF1, 0x60, 0x40 | size >> 11, size >> 3 & 0xFF, (size & 7) << 5 | 31, 0xFC]
    )
    return frames * (head + bytes(size - 7))


GOOD: dict[str, Sound] = {
    "plain": Sound(wav(chunk(b"fmt ", FMT), chunk(b"data", PCM)), exact=True),
    "gstreamer pipe": Sound(streamed(0, 0), (STREAMED,), exact=True),
    "riff length alone": Sound(streamed(0, 36), (STREAMED,), exact=True),
    "sox pipe": Sound(streamed(0x7FFF_F000, 0x7FFF_F024), (STREAMED,), exact=True),
    "ffmpeg pipe": Sound(
        wav(
            chunk(b"fmt ", FMT), chunk(b"LIST", b"INFOISFT\x0e\0\0\0Lavf60.16.100\0"),
            chunk(b"data", PCM, 0xFFFF_FFFF), claimed=0xFFFF_FFFF,
        ), (STREAMED,), exact=True,
    ),
    "arecord pipe": Sound(streamed(0x8000_0000, 0x8000_0024), (STREAMED,), exact=True),
    "arecord, older": Sound(streamed(0x7FFF_FF00, 0x7FFF_FF24), (STREAMED,), exact=True),
    "pipe, half a sample at its end": Sound(streamed(0, 0) + b"\1", (STREAMED,), exact=True),
    "'data' in a comment": Sound(wav(COMMENT, chunk(b"fmt ", FMT), COMMENT, chunk(b"data", PCM)),
        exact=True),
    "odd chunk, padded": Sound(
        wav(chunk(b"fmt ", FMT), chunk(b"bext", b"x" * 601), chunk(b"data", PCM)), exact=True),
    "odd chunk, not padded": Sound(
        wav(chunk(b"fmt ", FMT), chunk(b"note", b"abc")[:-1], chunk(b"data", PCM)), exact=True),
    "JUNK, fact, chunks behind": Sound(
        wav(
            chunk(b"JUNK", bytes(28)), chunk(b"fmt ", FMT), chunk(b"fact", struct.pack("<I", 7)),
            chunk(b"PAD ", bytes(5_000)), chunk(b"data", PCM), COMMENT,
        ), exact=True,
    ),
    "extensible": Sound(wav(chunk(b"fmt ", EXTENSIBLE), chunk(b"data", PCM)), exact=True),
    "big-endian": Sound(
        wav(
            chunk(b"fmt ", struct.pack(">HHIIHH", 1, 1, HZ, 2 * HZ, 2, 16), order=">"),
            chunk(b"data", swapped(PCM), order=">"), form=b"RIFX", order=">",
        ), exact=True,
    ),
    "two in one": Sound(2 * wav(chunk(b"fmt ", FMT), chunk(b"data", PCM)), (UNREAD,),
        exact=True),
    "two chunks of sound": Sound(
        wav(chunk(b"fmt ", FMT), chunk(b"data", PCM), chunk(b"data", PCM)), (UNREAD,), exact=True),
    "the length of its first piece": Sound(
        wav(chunk(b"fmt ", FMT), chunk(b"data", 2 * PCM, len(PCM)), claimed=36 + len(PCM)),
        (UNREAD,), exact=True),
    "length 0, and all there": Sound(
        wav(chunk(b"fmt ", FMT), chunk(b"data", PCM, 0)), (STREAMED,), exact=True),
    "a tag and zeros behind it": Sound(
        wav(chunk(b"fmt ", FMT), chunk(b"data", PCM)) + bytes(9_000) + b"TAG" + bytes(125),
        exact=True),
    "two Ogg in one": Sound(2 * OGG, ("another stream",)),
    "RF64": Sound(rf64(len(PCM)), exact=True),
    "RF64 pipe": Sound(rf64(2**64 - 1), (STREAMED,), exact=True),
    "BW64 pipe": Sound(rf64(0, b"BW64"), (STREAMED,), exact=True),
    "RF64 without ds64": Sound(
        wav(chunk(b"fmt ", FMT), chunk(b"data", PCM, 0xFFFF_FFFF), form=b"RF64"), (STREAMED,),
        exact=True),
    "8 bit": Sound(made("WAV", "PCM_U8")),
    "24 bit": Sound(made("WAV", "PCM_24"), exact=True),
    "32 bit": Sound(made("WAV", "PCM_32"), exact=True),
    "float": Sound(made("WAV", "FLOAT", FLOATS / 32_768), exact=True),
    "double": Sound(made("WAV", "DOUBLE", FLOATS / 32_768), exact=True),
    "A-law": Sound(made("WAV", "ALAW")),
    "mu-law": Sound(made("WAV", "ULAW")),
    "IMA ADPCM": Sound(made("WAV", "IMA_ADPCM")),
    "MS ADPCM": Sound(made("WAV", "MS_ADPCM")),
    "44.1 kHz stereo": Sound(
        stereo(voice(1, 44_100), voice(1, 44_100), 44_100), ("2 channels mixed", "44100 Hz")),
    "loud mu-law": Sound(made("WAV", "ULAW", voice() * 2)),
    "a loud tone in 8 bits": Sound(made("WAV", "PCM_U8", 28_000 * np.sin(TIME_S * 900) / 32_768)),
    "telephone": Sound(made("WAV", "ULAW", voice(1, 8_000), 8_000), ("8000 Hz",)),
    "an odd rate": Sound(made("WAV", None, voice(1, 11_025), 11_025), ("11025 Hz",)),
    "FLAC": Sound(made("FLAC"), exact=True),
    "FLAC pipe": Sound(flac_of_unknown_length(), (STREAMED,), exact=True),
    "FLAC pipe with md5": Sound(flac_of_unknown_length(md5=True), (STREAMED,), exact=True),
    "FLAC behind ID3": Sound(b"ID3\3\0\0\0\0\0\5hello" + made("FLAC"), exact=True),
    "two FLAC in one": Sound(2 * made("FLAC"), (UNREAD,), exact=True),
    "Vorbis": Sound(OGG),
    "Opus": Sound(made("OGG", "OPUS")),
    "AIFF": Sound(AIFF, exact=True),
    "CAF": Sound(CAF, exact=True),
    "AU": Sound(AU, exact=True),
    "AU pipe, length 0": Sound(AU[:8] + bytes(4) + AU[12:], (STREAMED,), exact=True),
    "AU, the length of its first piece": Sound(AU + PCM, (UNREAD,), exact=True),
    "AIFF from sox's pipe": Sound(aiff(0x7F00_0008), (STREAMED,), exact=True),
    "AIFF pipe": Sound(aiff(0xFFFF_FFFF), (STREAMED,), exact=True),
    "AIFF, the length of its first piece": Sound(AIFF + swapped(PCM), (UNREAD,), exact=True),
    "CAF pipe": Sound(caf(-1), (STREAMED,), exact=True),
    "CAF pipe, length 0": Sound(caf(0), (STREAMED,), exact=True),
    "AU pipe": Sound(AU[:8] + b"\xff" * 4 + AU[12:], (STREAMED,), exact=True),
}  # fmt: skip

ODD: dict[str, Sound] = {
    "cut": Sound(GOOD["plain"].data[:44 + HALF], (CUT_HALF,), seconds=0.5, exact=True),
    "cut, its data after 8 kB": Sound(
        wav(chunk(b"fmt ", FMT), chunk(b"JUNK", bytes(8_000)), chunk(b"data", PCM))[:-HALF],
        (CUT_HALF,), seconds=0.5, exact=True),
    "cut by three bytes": Sound(GOOD["plain"].data[:-3], (CUT,), exact=True),
    "cut RF64": Sound(rf64(len(PCM))[:-HALF], (CUT_HALF,), seconds=0.5, exact=True),
    "cut FLAC": Sound(
        made("FLAC")[:-9_000], (CUT + "0.26 s of 1.00 s",), seconds=0.256, exact=True),
    "cut FLAC pipe": Sound(
        flac_of_unknown_length()[:-9_000], (STREAMED, CUT), seconds=0.256, exact=True),
    "cut Vorbis": Sound(made("OGG", None, voice(9))[:-400], (CUT + "7.83 s are",), seconds=7.83),
    "cut AIFF": Sound(AIFF[:-HALF], (CUT_HALF,), seconds=0.5, exact=True),
    "cut CAF": Sound(CAF[:-HALF], (CUT_HALF,), seconds=0.5, exact=True),
    "cut AU": Sound(AU[:-HALF], (CUT_HALF,), seconds=0.5, exact=True),
    "opposite phase": Sound(stereo(voice(), -voice()), ("channel 1",), exact=True),
    "opposite phase, second louder": Sound(
        stereo(-voice() // 2, voice()), ("channel 2",), exact=True),
    "one of eight speaks": Sound(
        made("WAV", None, np.stack([*[0 * voice()] * 7, voice()], axis=1)), ("channel 8",),
        exact=True),
    "one of two speaks": Sound(
        stereo(voice(), 0 * voice()), ("of 2 channels only channel 1",), exact=True),
    "two of four speak": Sound(
        made("WAV", None, np.stack([voice(), voice(), *[0 * voice()] * 2], axis=1)),
        ("4 channels, of which 2 are silent, mixed",), exact=True),
    "integers as floats": Sound(made("WAV", "FLOAT", FLOATS), ("steps of 16 bits",), exact=True),
    "24-bit integers as doubles": Sound(
        made("WAV", "DOUBLE", FLOATS * 256.0), ("steps of 24 bits",), exact=True),
    "integers as floats, beyond their scale": Sound(
        made("WAV", "FLOAT", FLOATS * 3), ("steps of 16 bits", "turned down by 0.8 dB")),
    "unsigned integers as floats": Sound(
        made("WAV", "FLOAT", FLOATS + 32_768), ("steps of 16 bits", "offset of 100%")),
    "loud floats": Sound(made("WAV", "FLOAT", FLOATS / 8_000), ("turned down by 3.5 dB",)),
    "clipped": Sound(made("WAV", None, TOO_LOUD), ("clipped: ",)),
    "clipped, then turned down": Sound(
        made("WAV", None, TURNED_DOWN), ("clipped: 14.8% of it stands at its highest level",)),
    "one of two channels clipped and turned down": Sound(
        stereo(TURNED_DOWN, voice()), ("clipped: ", "mixed")),
    "clipped mu-law": Sound(made("WAV", "ULAW", TOO_LOUD), ("clipped: ",)),
    "offset": Sound(made("WAV", None, voice() // 2 + 8_000), ("offset of 24% of full scale",)),
    "digital silence": Sound(made("WAV", None, 0 * voice()), ("no speech: every sample",)),
    "an unplugged converter": Sound(
        made("WAV", None, 0 * voice() + 9_000), ("offset", "no speech: every sample")),
    "faint noise": Sound(
        made("FLAC", None, np.random.default_rng(0).normal(0, 8, HZ).astype(np.int16)),
        ("no speech: nothing but noise at -7",)),
    "an empty room": Sound(
        made("WAV", None, np.random.default_rng(0).normal(0, 150, HZ).astype(np.int16)),
        ("no speech: nothing but noise at -4",)),
    "one sample": Sound(made("WAV", None, voice()[:1]), ("no speech",), seconds=0.0),
    "half a hundredth": Sound(made("WAV", None, voice()[4_000:4_080]), (), seconds=0.005),
}  # fmt: skip

BAD: dict[str, Sound] = {
    "nothing": Sound(b"", error="0 bytes"),
    "a text": Sound(b"call meg", error="no sound file"),
    "zeros": Sound(bytes(999), error="--raw-hz RATE"),
    "no header": Sound(PCM[8_000:], error="sox -t raw"),
    "MP3": Sound(MP3, error="an MP3 file, which is not read"),
    "MP3 with ID3": Sound(b"ID3\4\0\0\0\0\0\5hello" + MP3, error="an MP3 file"),
    "MP3 of 44.1 kHz": Sound(made("MP3", None, voice(1, 44_100), 44_100), error="an MP3 file"),
    "MP3 of 8 kHz": Sound(made("MP3", None, voice(1, 8_000), 8_000), error="an MP3 file"),
    "AAC": Sound(adts(9), error="an AAC file"),
    "ADIF": Sound(b"ADIF" + bytes(96), error="an AAC file"),
    "M4A": Sound(b"\0\0\0\x20ftypM4A " + bytes(98), error="M4A file, which is not read here"),
    "WebM": Sound(b"\x1aE\xdf\xa3" + bytes(98), error="a WebM or Matroska file"),
    "AMR": Sound(b"#!AMR-WB\n" + bytes(99), error="an AMR file"),
    "WMA": Sound(b"0&\xb2u\x8ef\xcf\x11" + bytes(98), error="a WMA file"),
    "W64": Sound(made("W64"), error="a W64 file"),
    "VOC": Sound(made("VOC"), error="a VOC file"),
    "swapped AU": Sound(b"dns." + AU[4:], error="a swapped AU file"),
    "gzip": Sound(gzip.compress(PCM), error="a gzip archive; unpack it first"),
    "zip": Sound(b"PK\3\4" + bytes(96), error="a zip archive"),
    "Base64": Sound(base64.b64encode(PCM), error="a text, perhaps Base64 or JSON"),
    "JSON": Sound(b'{"audio": "' + base64.b64encode(PCM) + b'"}', error="a text, perhaps"),
    "AVI": Sound(b"RIFF\0\1\0\0AVI " + bytes(98), error="a RIFF file"),
    "four letters": Sound(b"RIFF", error="file"),
    "cut header": Sound(GOOD["plain"].data[:30], error="no data chunk"),
    "cut before the sound": Sound(GOOD["plain"].data[:44], error="cut off before its sound begins"),
    "no frames": Sound(made("WAV", None, voice()[:0]), error="no sound (0 frames)"),
    "no frames, but a comment": Sound(
        wav(chunk(b"fmt ", FMT), chunk(b"data", b""), COMMENT), error="no sound (0 frames)"),
    "data before fmt": Sound(wav(chunk(b"data", PCM), chunk(b"fmt ", FMT)), error="before its fmt"),
    "a short fmt": Sound(wav(chunk(b"fmt ", FMT[:8]), chunk(b"data", PCM)), error="than 16 bytes"),
    "no data": Sound(wav(chunk(b"fmt ", FMT), COMMENT), error="no data chunk"),
    "rate 0": Sound(wav(chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 0, 0, 2, 16)),
        chunk(b"data", PCM)), error="1 channels at 0 Hz"),
    "rate 4e9": Sound(wav(chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 4 * 10**9, 0, 2, 16)),
        chunk(b"data", PCM)), error="1 channels at 4000000000 Hz"),
    "4 kHz": Sound(made("WAV", None, voice(1, 4_000), 4_000), error="4000 Hz; 8000 to 96000 Hz"),
    "AIFF with an empty chunk of no name": Sound(
        AIFF.replace(b"SSND", bytes(8) + b"SSND", 1), error="a broken sound file"),
    "no channels": Sound(wav(chunk(b"fmt ", struct.pack("<HHIIHH", 1, 0, HZ, 0, 2, 16)),
        chunk(b"data", PCM)), error="0 channels"),
    "100 channels": Sound(
        made("WAV", None, np.zeros((9, 100), np.int16)), error="CHANNELS_MAX is 8"),
    "eight channels at 48 kHz": Sound(
        made("WAV", None, np.zeros((9, 8), np.int16), 48_000), error="SAMPLES_PER_S_MAX is 192000"),
    "an unknown coding": Sound(wav(chunk(b"fmt ", struct.pack("<HHIIHH", 0x1234, 1, HZ, HZ, 1, 8)),
        chunk(b"data", PCM)), error="coding"),
    "not a number": Sound(made("WAV", "FLOAT", np.where(TIME_S == 0.5, np.nan, FLOATS / 32_768)),
        error="no finite numbers"),
    "infinite": Sound(made("WAV", "FLOAT", np.where(TIME_S == 0.5, np.inf, FLOATS / 32_768)),
        error="no finite numbers"),
    "floats of no scale": Sound(made("WAV", "FLOAT", FLOATS * 1e9), error="where 1 is full scale"),
    "61 s": Sound(
        made("FLAC", None, np.zeros(61 * HZ, np.int16)), error="AUDIO_S_MAX is 60.0, got 61"),
    "61 s of FLAC pipe": Sound(
        flac_of_unknown_length(np.zeros(61 * HZ, np.int16)), error="AUDIO_S_MAX is 60.0, got 60"),
    "10,001 chunks": Sound(wav(chunk(b"fmt ", FMT), *[chunk(b"JUNK", b"")] * 10_000,
        chunk(b"data", PCM)), error="CHUNKS_MAX is 10000"),
    "cut Opus": Sound(made("OGG", "OPUS")[:-500], error="cut off"),
}  # fmt: skip
ALL = GOOD | ODD | BAD
