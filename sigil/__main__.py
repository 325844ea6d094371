"""`python -m sigil`: the command, for whoever has the package but not its script on the path."""

import sys

from sigil.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
