"""How many descriptors this process has open, to see that nothing is left over."""

import os


def count_descriptors() -> int:
    """The number of open descriptors of this process; 0 where there is no /proc."""
    folder = "/proc/self/fd"
    return len(os.listdir(folder)) if os.path.isdir(folder) else 0
