"""Making a record without its constructor, for the few functions that do so on every message.

Theory: the constructor of a named tuple is a Python function, and what nearly every event does is
to make a client, a server or a ring anew with some fields replaced. Made of a tuple of all its
fields a record takes half the time.

Rules: nothing checks that the fields are all there and in order, not even the type checker. So it
is used in the file that defines the record only, in functions that take the record apart by the
names of all its fields first (`tests/test_records.py`). It does not know any record.
"""

make_unchecked = tuple.__new__
"""`make_unchecked(Client, fields)` is the `Client` of a tuple of all fields."""
