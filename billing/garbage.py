"""Python's garbage collection, where it only costs time."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_collection() -> Iterator[None]:
    """Put garbage collection off until the end of the block.

    For batches: they make many objects and need them until they are stored. Their number sets the
    collector off time and again, which then walks through all of them and finds nothing.
    """
    if not gc.isenabled():  # a block within a block
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
