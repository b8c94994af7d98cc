"""Python's collector of cyclic garbage, told what it need not look at."""

import gc

#: New containers between two looks at the youngest, and looks between two at the older ones. Python's own
#: figures (700, 10, 10) are of times with less memory: they have a service that has libraries of a hundred
#: megabytes loaded look through them again and again for nothing.
THRESHOLDS = (10_000, 20, 20)


def quiet() -> None:
    """To be called once everything is loaded and open: what is there by now stays until the end."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
