"""Files are written beside and renamed into place, so that whoever looks finds the old one or the new one, whole."""

import os
import threading
from pathlib import Path


def replace_file(path: Path, content: bytes) -> None:
    """Put `content` at `path`. A full disk, kill -9 or a power cut at any moment leaves what was there before.

    Raises OSError; then nothing is left lying beside.
    """
    beside = path.with_name(f".{path.name}.{threading.get_native_id()}.part")
    beside.unlink(missing_ok=True)  # of a thread of this number that was killed
    try:
        with beside.open("xb") as file:  # follows no link that somebody put there
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # the content reaches the disk before the name does
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    if os.name == "posix":  # elsewhere a folder cannot be opened
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
