"""What a program needs on top of HTTP, as functions of requests and responses.

Theory: an origin that is allowed, a coding that is acceptable, an entity tag that matches, a cookie
that was signed: each is decided by the fields of a request, those of a response, and options that
are values. So each is a function of them, and tried with literal values. And so is which route a
request is for: `paths` takes a path apart, `converters` make values of its segments, `patterns` are
what a route is written as, `routes` is the table of them, and `urls` makes the path that leads to a
route.

Rules: pure, as all of the core; what is random, what the time is, and what has a state come in as
arguments. It calls no handler: `shell.web` joins these functions to them.
"""
