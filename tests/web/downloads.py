"""Downloads over real sockets, with real files and threads: what they are served by."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import termios
from typing import Any

from attrs import define
from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.tcp import Server
from zope.interface import implementer

from tests.web.sockets import LIMIT_S, SocketCase
from tustwisted.abilities import IUploadReader
from tustwisted.disk import Disk
from tustwisted.lock.memory import MemoryLocker
from tustwisted.protocol.metadata import Metadata
from tustwisted.service import UploadsService
from tustwisted.store.file import FileStore
from tustwisted.store.files import OsFiles
from tustwisted.uploads.uploads import Uploads
from tustwisted.web.resource import TusResource

reactor: Any = _reactor


class CountingFiles(OsFiles):
    """
    Files that count what is read.

    :ivar read_bytes: of each file that is open for reading, by descriptor.
    """

    def __init__(self) -> None:
        self.read_bytes: dict[int, int] = {}
        self._all_closed: Deferred[None] | None = None

    def open_to_read(self, path: str) -> int:
        """Open, and count from now on."""
        fd = super().open_to_read(path)
        self.read_bytes[fd] = 0
        return fd

    def pread(self, fd: int, size: int, offset: int) -> bytes:
        """Read and count."""
        piece = super().pread(fd, size, offset)
        self.read_bytes[fd] += len(piece)
        return piece

    def close(self, fd: int) -> None:
        """Close; perhaps in a thread."""
        self.read_bytes.pop(fd, None)
        super().close(fd)
        reactor.callFromThread(self._tell)

    def _tell(self) -> None:
        if not self.read_bytes and self._all_closed is not None:
            all_closed, self._all_closed = self._all_closed, None
            all_closed.callback(None)

    def all_closed(self) -> Deferred[None]:
        """Wait until nothing is open for reading; once only."""
        if not self.read_bytes:
            return succeed(None)
        self._all_closed = Deferred()
        return self._all_closed.addTimeout(LIMIT_S, reactor)


@implementer(IUploadReader)
@define(eq=False)
class PiecesReader:
    """A reader of a file that does not say so."""

    _reader: Any

    @property
    def info(self) -> Any:
        """The upload."""
        return self._reader.info

    def read(self, offset: int, size_bytes: int) -> bytes:
        """Read."""
        piece: bytes = self._reader.read(offset, size_bytes)
        return piece

    def close(self) -> None:
        """Close."""
        self._reader.close()


class PiecesStore(FileStore):
    """A store whose uploads are read piece by piece, although they are files."""

    async def open_reader(self, upload_id: str) -> IUploadReader:
        """Open."""
        return PiecesReader(await super().open_reader(upload_id))


class DownloadCase(SocketCase):
    """
    Serves a directory.

    :cvar store_type: whose uploads are downloaded.
    """

    store_type: type[FileStore] = FileStore

    def setUp(self) -> None:
        """Serve an empty directory."""
        self.files = CountingFiles()
        disk = Disk(reactor)
        self.directory = self.mktemp()
        store = self.store_type(self.directory, disk, files=self.files)
        self.uploads = Uploads(store, MemoryLocker(reactor), disk, reactor)
        service = UploadsService(self.uploads, disk)
        service.startService()
        self.addCleanup(service.stopService)
        self.resource = TusResource(self.uploads)
        self.port = self.serve(self.resource)

    async def put(self, content: bytes | int) -> str:
        """
        Finish an upload; return its path.

        :param content: a number stands for a hole of so many bytes.
        """
        size = content if isinstance(content, int) else len(content)
        upload = await self.uploads.create(size, Metadata())
        path = self.file_of(f"/{upload.upload_id}")
        if isinstance(content, int):
            os.truncate(path, size)
        else:
            with open(path, "wb") as file:
                file.write(content)
        await self.uploads.finish(upload.upload_id)
        return f"/{upload.upload_id}"

    def file_of(self, path: str) -> str:
        """Tell where an upload lies."""
        return os.path.join(self.directory, path[1:])


def ask(port: int, path: str) -> socket.socket:
    """Ask for an upload, and read the first bytes of the answer."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(LIMIT_S)
    client.connect(("127.0.0.1", port))
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
    assert client.recv(15) == b"HTTP/1.1 200 OK"
    return client


def connections() -> list[Any]:
    """List the server's ends of all connections."""
    return [reader for reader in reactor.getReaders() if type(reader) is Server]


def held_here(connection: Any) -> int:
    """Tell how much a connection holds that the kernel would not take."""
    held: int = len(connection.dataBuffer) + connection._tempDataLen
    return held


def held_by_kernel(connection: Any) -> int:
    """Tell how much the kernel holds that the other end has not acknowledged."""
    room = bytes(struct.calcsize("i"))
    count: int
    (count,) = struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, room))
    return count
