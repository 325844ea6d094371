"""How many descriptors this process has open, to see that nothing is left over."""

import gc
import os


def count_descriptors() -> int:
    """The number of open descriptors of this process; 0 where there is no /proc."""
    gc.collect()  # what others have forgotten is let go at some time, and not between two counts
    folder = "/proc/self/fd"
    return len(os.listdir(folder)) if os.path.isdir(folder) else 0
