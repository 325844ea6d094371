"""The servers of the Evo runtime: events, ids, and responses that are written in steps."""
