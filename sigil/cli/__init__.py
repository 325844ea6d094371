"""The `sigil` command: flags in, exit status out.

Theory: the command is one more program that uses the library, and the only one that uses
`sigil.apps`. `main` runs a subcommand. `values`, `flags` and `settings` are the command line as a
value, `logging_setup` the log. `find_app` loads what the user wants served, `interfaces` finds out
what it is, `listening` opens sockets, `serving` makes a server of it all and runs it. Where other
processes do that, `team` and `supervision` decide which, `children` is what they and their parent
send each other, `supervisor` is that parent, and `reload` has it look at files.

Rules: nothing in the library imports this package. It does not know HTTP.
"""
