"""The loop: the engine that advances the core, and what connects it to the operating system.

Theory: `engine` and `send_buffer` know neither sockets nor threads, so a server in memory runs on
them too; `sockets`, `connection_socket`, `acceptor`, `listen`, `mailbox` and `signals` are what the
system has to offer, one file for each thing. `head_cache` makes parsing cheap for heads that were
seen before.

Rules: nothing here blocks but the one wait for descriptors. It does not know user code (`program`).
"""
