"""
A bare loop from socket to file and back: served.py PORT DIRECTORY.

It checks nothing, keeps nothing and cannot resume: it tells what the kernel takes.
"""

from __future__ import annotations

import fcntl
import os
import re
import socket
import sys
import threading

_PIPE_BYTES = 2**20


def serve(client: socket.socket, directory: str) -> None:
    """Answer the requests of one connection."""
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    pipe = os.pipe()
    fcntl.fcntl(pipe[1], fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    while head := _read_head(client):
        method, path, _ = head.split(" ", 2)
        file = os.path.join(directory, path.rpartition("/")[2])
        if method == "POST":
            name = os.urandom(16).hex()
            open(os.path.join(directory, name), "xb").close()
            _answer(client, "201 Created", f"Location: /files/{name}\r\n")
        elif method == "PATCH":
            offset = _number("Upload-Offset", head)
            end = _receive(client, pipe, file, offset, _number("Content-Length", head))
            _answer(client, "204 No Content", f"Upload-Offset: {end}\r\n")
        else:
            _send(client, file)
    for fd in pipe:
        os.close(fd)
    client.close()


def _read_head(client: socket.socket) -> str:
    """Take a head off the socket and leave the body there; "" at the end."""
    while seen := client.recv(65536, socket.MSG_PEEK):
        end = seen.find(b"\r\n\r\n") + 4
        if end >= 4:
            return client.recv(end).decode()
    return ""


def _number(name: str, head: str) -> int:
    found = re.search(rf"\r\n{name}: (\d+)", head)
    return int(found[1]) if found else 0


def _answer(client: socket.socket, status: str, fields: str) -> None:
    client.sendall(f"HTTP/1.1 {status}\r\n{fields}Content-Length: 0\r\n\r\n".encode())


def _receive(
    client: socket.socket, pipe: tuple[int, int], file: str, offset: int, length: int
) -> int:
    """Splice a body to its place; return where it ends."""
    fd, end = os.open(file, os.O_WRONLY), offset + length
    while offset < end:
        got = os.splice(client.fileno(), pipe[1], min(end - offset, _PIPE_BYTES))
        if not got:
            break
        while got:
            written = os.splice(pipe[0], fd, got, offset_dst=offset)
            offset, got = offset + written, got - written
    os.close(fd)
    return offset


def _send(client: socket.socket, file: str) -> None:
    with open(file, "rb") as stored:
        size = os.fstat(stored.fileno()).st_size
        client.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
        client.sendfile(stored)


def main() -> None:
    """Listen until somebody ends this process."""
    with socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=128) as server:
        while True:
            connection = (server.accept()[0], sys.argv[2])
            threading.Thread(target=serve, args=connection, daemon=True).start()


if __name__ == "__main__":
    main()
