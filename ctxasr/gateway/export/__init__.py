"""A turn's biasing phrases for other recognisers, each in its own format and within its limits.

    choose       the heaviest phrases that a format can write and has room for
    sherpa       sherpa-onnx hotwords
    nemo         NeMo `biasing_request`
    whisper      prompt or hotwords of Whisper and faster-whisper
    assemblyai   `agent_context` of AssemblyAI's streaming API
    ask          dynamic entities of the Alexa Skills Kit
    transcribe   custom vocabulary of Amazon Transcribe, as a table or as phrases
    targets      all of them by name: `export(bias, "whisper")`

Nothing is imported here.
"""
