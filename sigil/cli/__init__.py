"""The `sigil` command: flags in, exit status out.

Theory: the command is one more program that uses the library, and the only one that uses
`sigil.apps`. `main` runs a subcommand, `settings` is the command line as a value, `find_app` loads
the user's handler, `reload` restarts it when its files change, and `logging_setup` configures the
log.

Rules: nothing in the library imports this package. It does not know HTTP.
"""
