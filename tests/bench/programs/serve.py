"""One server to be measured, in a process of its own: `serve.py SERVER LIFE_S ORDER [PROFILE]`.

Theory: SERVER is a module here, `<SERVER>_server.py`, with a function `serve`; ORDER is JSON, see
orders.py. It prints its port on a line and serves.

Rules: it ends by SIGTERM, or by the alarm after LIFE_S seconds, so that no server can outlive a
harness that was killed. Only the module of the server asked for is imported. With PROFILE, a file
name, it runs under cProfile and leaves the statistics there: for finding where time goes, never for
measuring (a profiler charges calls, not work).
"""

import importlib
import json
import signal
import sys

from orders import Order


def end(*_: object) -> None:
    """Ends the process as if it had been told to exit."""
    raise SystemExit


def main(arguments: list[str]) -> None:
    """Serve until the end."""
    name, life_s, order, *profile = arguments
    signal.alarm(int(life_s))
    signal.signal(signal.SIGTERM, end)
    serve = importlib.import_module(f"{name}_server").serve
    if not profile:
        serve(Order(**json.loads(order)))
        return
    import cProfile

    profiler = cProfile.Profile()
    try:
        profiler.runcall(serve, Order(**json.loads(order)))
    except SystemExit:
        pass
    finally:
        profiler.dump_stats(profile[0])


if __name__ == "__main__":
    main(sys.argv[1:])
