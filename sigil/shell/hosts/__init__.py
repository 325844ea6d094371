"""What drives a server that does not have its own loop: asyncio, or a thread.

Theory: a server is ticked by whoever wants to; these are two that are often wanted. Rules: they
use what `program.host.Ticked` lists and nothing else. They do not know HTTP.
"""
