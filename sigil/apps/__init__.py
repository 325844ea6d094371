"""Programs that use the library through its public face, each run by a subcommand of `sigil`.

Theory: `demo` shows this machine's load and the server's own ring, live; `stream` broadcasts the
lines of standard input. Each has a loop of its own, which is what the library is for, so they are
its largest examples as well as its tools. `replay` shows what another server did.

Rules: they import `sigil`, `sigil.testing`, the views and the traces of the core and each other,
nothing else of the library; only
`sigil.cli` imports them. `page` is what their web pages share, `terminal` how they print.
"""
