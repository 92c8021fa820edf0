"""Writing files so that an interrupted run leaves the old files whole."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tropix.errors import InvalidInput


def write_atomically(path: str | Path, content: str | bytes) -> None:
    """Write one file; see :func:`write_all`."""
    write_all({Path(path): content})


def write_all(files: Mapping[Path, str | bytes]) -> None:
    """Write text (as UTF-8) or bytes to temporary files in the targets' folders, then rename all of them.

    A symbolic link is followed. Raises `InvalidInput`, and changes nothing, where a folder does not exist, a target is
    no regular file, or something cannot be written.
    """
    temporary: dict[str, Path] = {}
    try:
        for path, content in files.items():
            target = path.resolve()
            if target.exists() and not target.is_file():
                raise InvalidInput(f"{path} is no regular file: name another")
            temporary[_write_beside(target, content)] = target
        for name, target in temporary.items():
            os.replace(name, target)
    except OSError as error:
        raise InvalidInput(f"cannot write {' and '.join(map(str, files))}: {error.strerror or error}") from None
    finally:
        for name in temporary:
            if os.path.exists(name):
                os.unlink(name)


def _write_beside(target: Path, content: str | bytes) -> str:
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content.encode() if isinstance(content, str) else content)
            stream.flush()
            os.fsync(stream.fileno())
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(name, 0o666 & ~mask)
    except BaseException:
        os.unlink(name)
        raise
    return name
