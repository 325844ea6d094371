"""Tests of the hosts of other loops, each with its real library."""
