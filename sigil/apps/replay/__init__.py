"""The page of `sigil replay --serve` and `sigil world --serve`: a server, turn by turn.

Theory: a recording is a sequence of values, so a page that shows one turn of it needs only the
figures of that turn, which `documents` computes as values that JSON can express. `app` serves them,
and `timemachine.html` draws them and asks for the next.
"""
