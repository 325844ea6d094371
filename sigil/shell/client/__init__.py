"""The client's loop: what performs the effects of `sigil.core.client`, and reports events to it.

`transport` is one connection, `transports` are all of them, `resolver` finds addresses, `loop` puts
events and effects together. `receiver`, `decoding` and `bodies` are what a program gives and gets;
`client`, `response` and `functions` are what it sees. `takeover` is for protocols that have a
connection to themselves.
"""
