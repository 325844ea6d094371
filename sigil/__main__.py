"""`python -m sigil`: the command `sigil`, for where its script is not on the path.

Theory: the script that is installed with the package calls `sigil.cli.main.main`, and so does this
module. It has no options of its own, and it does not know those of the command.
"""

import sys

from sigil.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
