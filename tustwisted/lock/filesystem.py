"""Whether a directory lies on a file system that other machines may use too."""

from __future__ import annotations

import os
import re

_MOUNTS = "/proc/self/mountinfo"

_NETWORK = re.compile(
    r"nfs|nfs4|cifs|smb3|smbfs|ncpfs|9p|virtiofs|vboxsf|vmhgfs|prl_fs"
    r"|afs|coda|ceph|lustre|gpfs|panfs|beegfs|orangefs|pvfs2|gfs|gfs2|ocfs2"
    r"|fuse\.(sshfs|glusterfs|ceph|moosefs|mfs|lizardfs|juicefs|quobyte|davfs"
    r"|rclone|s3fs|gcsfuse|vmhgfs-fuse)"
)
"""Types that several machines, or a virtual machine and its host, may share."""


def network_filesystem(directory: str) -> str | None:
    """
    Name the type of a directory's file system if other machines may use it too.

    :returns: ``None`` for a local one, and where that cannot be told (no ``/proc``).
    """
    try:
        device = os.stat(directory).st_dev
        with open(_MOUNTS, encoding="utf-8", errors="replace") as file:
            name = type_of_device(os.major(device), os.minor(device), file.read())
    except OSError:
        return None
    return name if name is not None and is_of_network(name) else None


def is_of_network(name: str) -> bool:
    """Tell whether other machines may use a file system of this type too."""
    return _NETWORK.fullmatch(name) is not None


def type_of_device(major: int, minor: int, mounts: str) -> str | None:
    """
    Find the type of the file system on a device.

    :param mounts: the text of ``/proc/self/mountinfo``: see ``proc(5)``.
    :returns: such as ``nfs4`` or ``fuse.sshfs``; ``None`` if it is not mounted.
    """
    line = rf"^\d+ \d+ {major}:{minor} .* - (\S+) "
    found = re.search(line, mounts, re.MULTILINE)
    return None if found is None else found[1]
