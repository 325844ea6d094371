"""The documents are true: programs run, commands work, links lead somewhere, tables are those of
the code."""
