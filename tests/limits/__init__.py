"""One side of every bound and the other: `test_every_limit` holds the table, which is written in
parts beside it.
"""
