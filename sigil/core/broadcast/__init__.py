"""The broadcast: what was published, kept once in a ring, and where each subscriber is.

`entry` is one published frame and who it is for, `encoding` how it is written for somebody,
`negotiation` how an encoding is agreed on, `ring` the bounded memory of the last frames, and
`broadcast` puts them together with the cohorts and the laggards. Nothing here knows a connection: a
subscriber is a `Conn`, a `Subscription` and maybe a cursor.
"""
