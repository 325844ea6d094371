"""All planted bugs, by the folder of what they are planted in.

Theory: what is to be caught is spread over all that has state: the sums and lists of the server,
the ring and its cursors, one connection, frames and bodies, and the loop that performs it all.

Rules: each has a name of its own, and a mistake that somebody could make: no change that could not
be written by mistake, and none that changes nothing.
"""

from tests.mutants.mutant import Mutant
from tests.mutants.planted.broadcasts import BROADCASTS
from tests.mutants.planted.connections import CONNECTIONS
from tests.mutants.planted.loops import LOOPS
from tests.mutants.planted.messages import MESSAGES
from tests.mutants.planted.servers import SERVERS

MUTANTS: tuple[Mutant, ...] = (*SERVERS, *BROADCASTS, *CONNECTIONS, *MESSAGES, *LOOPS)
"""All mutants, in the order of the table."""
