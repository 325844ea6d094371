"""The client of a stream for browsers: `sigil-client.js`, and the response that serves it.

Theory: a page needs a client that fits the server it came from, so the JavaScript module is a file
of this package, and `client_module` makes the response with it. A program decides the path.

Rules: nothing here runs in the server but `client_module`. The JavaScript has no dependencies and
is not built: the file is served as it is.
"""
