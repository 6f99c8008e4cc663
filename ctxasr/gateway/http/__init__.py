"""`ctxasr serve`: the pipeline behind HTTP. Nothing is imported here.

    limits      every limit of the door, by name
    problems    errors as problem details (RFC 9457)
    auth        bearer tokens: which customer is calling
    guard       before any route: token, rate, concurrency, size and pace of the body; one log line
    models      what goes in and out as JSON
    multipart   form parts while they arrive; directives as multipart/related
    sound       sound in memory -> samples
    memory      what a process remembers of each customer between requests, bounded
    recogniser  the recogniser that all share: places, and a new one when it has died
    service     records, hears, forgets, sweeps: the pipeline for many customers
    dialogues   a device's messages of other protocols, one after the other
    routes      the plain JSON half;  avs: the Alexa Voice Service half
    description the OpenAPI description
    logs        JSON lines with ids and numbers
    server      socket, signals, shutdown

fastapi, uvicorn, python-multipart and limits are the extra `serve`; `command` alone does without.
"""
