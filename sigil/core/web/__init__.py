"""What a program puts around its handlers, as functions of requests and responses.

Theory: an origin that is allowed, a coding that is acceptable, an entity tag that matches, a cookie
that was signed: each is decided by the fields of a request, those of a response, and options that
are values. So each is a function of them, and tried with literal values.

Rules: pure, as all of the core; what is random, what the time is, and what has a state come in as
arguments. It does not know handlers: `shell.web` joins these functions to them.
"""
