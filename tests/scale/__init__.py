"""The stream at scale: thousands of real clients, one that stops, many topics, and where the time
of a tick goes.
"""
