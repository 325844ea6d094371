"""What all tests share: Hypothesis without a clock, because a noisy machine is not a slow program."""

from hypothesis import settings

settings.register_profile("sigil", deadline=None)
settings.load_profile("sigil")
