"""The programs that are measured, one module for each server.

They run as scripts of a process of their own (`serve.py` beside this file) and import each other by
their bare names, so that they work with whatever Python has the server, without this repository.
"""
