"""A model service on loopback: real agents talk to it without an account and without the network.

    python -m llm_gateway_extension_verify.loopback [--port N] [--seconds 3600] [--until-eof]

prints one line of JSON, `{"url": "http://127.0.0.1:PORT"}`, and serves until its time is over. What it answers stands in the
prompt (`behaviour.py`); what it was asked stands in its log: GET /log, one entry a request; GET /log?bodies=1 with what was sent;
DELETE /log.

One adapter a protocol (`ADAPTERS` in app.py) turns a body into a `Conversation`, and an `Action` into the protocol's answer.
"""
