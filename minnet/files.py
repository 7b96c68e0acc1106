"""Files are written beside and renamed into place, so that whoever looks finds the old one or the new one, whole."""

import errno
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


def replace_file(path: Path, content: bytes) -> None:
    """Put `content` at `path`. A full disk, kill -9 or a power cut at any moment leaves what was there before.

    A link is followed. The mode of an earlier file is kept, and where the system allows it, its owner. Raises OSError
    that names `path`, also for what is no regular file (a device, a folder); then nothing is left lying beside.
    """
    with _naming(path):
        earlier, place, beside = _places(path)
        beside.unlink(missing_ok=True)  # of a thread of this number that was killed
        try:
            with _new(beside, 0o600 if earlier else 0o666) as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())  # the content reaches the disk before the name does
            if earlier:
                _keep(beside, earlier)
            beside.replace(place)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        if os.name == "posix":  # elsewhere a folder cannot be opened
            folder = os.open(place.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


def try_file(path: Path) -> None:
    """Raise the OSError that `replace_file` would: no such folder, no rights, a name that is too long, a device."""
    with _naming(path):
        _, _, beside = _places(path)
        beside.unlink(missing_ok=True)
        with _new(beside, 0o600):
            pass
        beside.unlink()


def _places(path: Path) -> tuple[os.stat_result | None, Path, Path]:
    """What stands at `path`, if anything; where that is, links followed; and the name to write under beside it."""
    try:
        earlier = os.stat(path)
    except FileNotFoundError:
        earlier = None
    if earlier and not stat.S_ISREG(earlier.st_mode):
        folder = stat.S_ISDIR(earlier.st_mode)
        raise OSError(errno.EISDIR if folder else errno.EINVAL, f"it is {'a folder' if folder else 'no regular file'}")
    place = Path(os.path.realpath(path))
    return earlier, place, place.with_name(f".{place.name}.{threading.get_native_id()}.part")


def _new(path: Path, mode: int) -> BinaryIO:
    return open(path, "xb", opener=lambda name, flags: os.open(name, flags, mode))  # follows no link put there


def _keep(path: Path, earlier: os.stat_result) -> None:
    """Give a file the owner, group and mode of the earlier one, as far as the system allows."""
    if os.name == "posix":
        for owner, group in ((-1, earlier.st_gid), (earlier.st_uid, -1)):
            with suppress(OSError):
                os.chown(path, owner, group)
    with suppress(OSError):
        os.chmod(path, stat.S_IMODE(earlier.st_mode))


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Within it an OSError names `path`, not the file beside it."""
    try:
        yield
    except OSError as error:
        error.filename, error.filename2 = os.fspath(path), None
        raise
