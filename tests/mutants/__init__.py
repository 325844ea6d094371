"""Planted bugs: whether the simulator and the laws would notice what a tired engineer does.

Theory: a test that never fails proves nothing, and nobody knows of a test whether it can fail until
it has. So known mistakes are made on purpose, one at a time, in a copy of sigil, and each must be
caught by a rule of the simulated worlds, or by a law that is tried on whatever Hypothesis can think
of. An example that restates the line which was changed does not count as much, and is called so.

Rules: the tree itself is never changed. A mutant is a small value that can be read like a patch;
one whose text is not found any more fails, so the table stays true as the code moves. What the
worlds do not catch says why. `python -m tests.mutants` prints the table that stands in
docs/mutants.md.
"""
