"""The files of this part; see the docstring of each."""
