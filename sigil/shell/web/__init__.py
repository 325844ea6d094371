"""What stands around the handlers of a program: routes and middleware.

Theory: whatever can be decided about a request and a response is a pure function in `core.web`; the
files here join those functions to handlers, whose results may come later.

Rules: routes are a handler that calls others, middleware is a function from a handler to a handler.
It does not know servers.
"""
