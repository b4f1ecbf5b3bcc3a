"""Writing a file so that whoever reads it finds the old content or the new one, never a part.

The content goes into a temporary file beside the target, `.name.host.pid.random.tmp`, which then
takes the target's name. A process that is killed leaves its temporary file behind; whoever next
writes the same target on the same machine removes it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import re
import secrets
import stat
import zlib
from pathlib import Path

Name = str | os.PathLike[str]


def write_atomically(name: Name, content: bytes) -> None:
    """Puts content into the file of this name, on the disk itself, all at once.

    A link is followed; a file that is there keeps its permissions. Its folder must be there.
    Raises: FileNotFoundError without the folder, PermissionError for a file that may not be
    written, OSError where the name is no ordinary file's or the disk is full; then the file is as
    it was.
    """
    target = Path(os.path.realpath(os.fsdecode(name)))
    before = _status(target)
    _remove_stale(target)
    temporary = target.with_name(f"{_prefix(target)}{os.getpid()}.{secrets.token_hex(4)}.tmp")
    with open(temporary, "xb", opener=_private if before else None) as file:
        try:
            file.write(content)
            file.flush()
            _adopt(file.fileno(), before)
            os.fsync(file.fileno())
            file.close()  # Windows renames no open file
            os.replace(temporary, target)
        except BaseException:
            with contextlib.suppress(OSError):  # it may fail to write what is left
                file.close()
            temporary.unlink(missing_ok=True)
            raise
    _sync(target.parent)


def _status(target: Path) -> os.stat_result | None:
    """What is known of the file that is to be replaced; None where there is none yet."""
    if not target.parent.is_dir():
        raise FileNotFoundError(f"save: there is no folder {target.parent}; make it first")
    try:
        status = target.stat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):
        raise OSError(f"save: {target} is no ordinary file; give the name of a file")
    if not os.access(target, os.W_OK):
        raise PermissionError(f"save: {target} is read-only; make it writable or give another name")
    return status


def _private(name: str, flags: int) -> int:
    """Opens a file that only its owner may read, until it gets its permissions."""
    return os.open(name, flags, 0o600)


def _adopt(file: int, before: os.stat_result | None) -> None:
    """Gives the new file the owner, where that is allowed, and the permissions of the old one."""
    if before is None or os.name != "posix":
        return
    with contextlib.suppress(OSError):
        os.fchown(file, before.st_uid, before.st_gid)
    os.fchmod(file, before.st_mode & 0o777)


def _sync(folder: Path) -> None:
    """Waits until the folder's entries are on the disk, where the system can do that."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)


def _prefix(target: Path) -> str:
    """How the temporary files of this target, made on this machine, begin."""
    start = os.fsencode(target.name)[:120].decode(errors="ignore")  # names end at 255 bytes
    return f".{start}.{zlib.crc32(platform.node().encode()):08x}."


def _remove_stale(target: Path) -> None:
    """Removes the target's temporary files whose process has ended."""
    if os.name != "posix":  # elsewhere asking for a process may end it
        return
    pattern = re.compile(re.escape(_prefix(target)) + r"(\d{1,9})\.[0-9a-f]{8}\.tmp")
    for entry in os.scandir(target.parent):
        found = pattern.fullmatch(entry.name)
        if found and entry.is_file(follow_symlinks=False) and not _runs(int(found[1])):
            with contextlib.suppress(OSError):
                os.unlink(entry)


def _runs(pid: int) -> bool:
    """Whether there is a process of this number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
