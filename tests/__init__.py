"""The tests of sigil, by layer: in the folders of the modules they test, or by what
they are for.
"""
