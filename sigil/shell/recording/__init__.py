"""Recordings in files: the recorder, and the writer and the reader of MCAP.

Rules: nothing here costs anything while nothing is recorded. The packages `mcap`, `msgpack` and
`msgspec` (`pip install 'sigil-http[record]'`) are imported when somebody records or reads, and no
sooner.
"""
