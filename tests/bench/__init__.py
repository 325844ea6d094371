"""Costs beside floors and other servers: scripts, and a test that each of them runs."""
