"""Tests of the functional core: literal events and bytes in, literal records and bytes out; no
sockets, no clocks.
"""
