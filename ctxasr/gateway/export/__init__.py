"""A turn's biasing phrases for other recognisers, each in its own format and within its limits.

    choose        the heaviest phrases that a format can write and has room for
    replies       the end of a reply that fits
    sherpa        sherpa-onnx hotwords
    nemo          NeMo `biasing_request`
    whisper       prompt or hotwords of Whisper and faster-whisper
    wyoming       `transcript_names` of a Wyoming `transcribe`
    assemblyai    `agent_context` and `keyterms_prompt` of AssemblyAI's streaming API
    deepgram      keyterms of Deepgram's Nova-3
    google        PhraseSet of Google Cloud Speech-to-Text
    azure         phrase list of Azure Speech
    speechmatics  custom dictionary of Speechmatics, with `sounds_like`
    ask           dynamic entities of the Alexa Skills Kit
    lex           runtime hints of Amazon Lex V2
    transcribe    custom vocabulary of Amazon Transcribe, as a table or as phrases
    targets       all of them by name: `export(bias, "whisper")`

Nothing is imported here.
"""
