"""The whole table: every case of every theme, in one tuple.

What it is: the sum of the `table_*.py` files.
Its rules: a name occurs once; what makes the table sound is checked in `test_conformance.py`.
What it does not know: how cases are run.
"""

from tests.conformance import (
    table_chunks,
    table_coding,
    table_connection,
    table_fields,
    table_host,
    table_length,
    table_limits,
    table_line,
    table_pipeline,
    table_target,
)
from tests.conformance.case import Case

CASES: tuple[Case, ...] = (
    *table_line.CASES,
    *table_target.CASES,
    *table_host.CASES,
    *table_fields.CASES,
    *table_length.CASES,
    *table_coding.CASES,
    *table_chunks.CASES,
    *table_connection.CASES,
    *table_pipeline.CASES,
    *table_limits.CASES,
)
