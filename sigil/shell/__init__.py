"""The imperative shell: sockets, clocks, signals, logs, the command; small, and without opinions
about HTTP.
"""
