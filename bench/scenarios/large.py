"""Large uploads and downloads: bytes per second, and CPU per byte."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence

from bench.content import Content, Upload
from bench.processes import metered
from bench.samples import MIB, Sample
from bench.scenarios import Scenario, Trial
from bench.wire import Connection, WrongAnswer


def warm_up(trial: Trial) -> None:
    """Let a server do all of it once, with little."""
    with trial.running.connect() as client:
        Upload.create(client, trial.content, MIB).patch(0, MIB)


def one_patch(trial: Trial) -> Sample:
    """Send a large upload in one ``PATCH``."""
    return _patches(trial, trial.scale.large_mib * MIB, trial.scale.large_mib * MIB)


def peak(trial: Trial) -> Sample:
    """Send an upload twice as large; what counts is the memory."""
    return _patches(trial, trial.scale.peak_mib * MIB, trial.scale.peak_mib * MIB)


def chunked(trial: Trial) -> Sample:
    """Send an upload in many ``PATCH`` requests, one after the other."""
    return _patches(trial, trial.scale.chunked_mib * MIB, trial.scale.chunk_mib * MIB)


def _patches(trial: Trial, size: int, chunk: int) -> Sample:
    warm_up(trial)
    with trial.running.connect() as client:
        upload = Upload.create(client, trial.content, size)
        with metered(trial.running.tree) as meter:
            for offset in range(0, size, chunk):
                upload.patch(offset, chunk)
    _check(trial, upload, size)
    if trial.is_first:
        trial.content.check(trial.running.path_of(upload.path), size)
    return Sample(meter.cost, size)


def _check(trial: Trial, upload: Upload, size: int) -> None:
    """Look whether all bytes are stored."""
    stored = trial.running.path_of(upload.path).stat().st_size
    if stored != size:
        raise WrongAnswer(f"{stored} of {size} bytes are stored")


def at_once(trial: Trial) -> Sample:
    """Send many uploads at the same time, each in one ``PATCH``."""
    warm_up(trial)
    count, size = trial.scale.at_once, trial.scale.each_mib * MIB
    uploads = [
        Upload.create(trial.running.connect(), trial.content, size, i * size)
        for i in range(count)
    ]
    with metered(trial.running.tree) as meter:
        _send_all(uploads, size)
    for upload in uploads:
        upload.client.close()
        _check(trial, upload, size)
    return Sample(meter.cost, count * size)


def _send_all(uploads: Sequence[Upload], size: int) -> None:
    failed: list[Exception] = []

    def run(upload: Upload) -> None:
        try:
            upload.patch(0, size)
        except (OSError, WrongAnswer) as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(upload,)) for upload in uploads]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise WrongAnswer(str(failed[0]))


def download(trial: Trial) -> Sample:
    """Take a large upload with one ``GET``; the kernel discards what comes."""
    warm_up(trial)
    content = trial.content
    with trial.running.connect() as client:
        upload = Upload.create(client, content, content.size)
        upload.patch(0, content.size)
        if trial.is_first:
            _compare(client, upload.path, content)
        with metered(trial.running.tree) as meter:
            _discard(client, upload.path, content.size)
    return Sample(meter.cost, content.size)


def _begin(client: Connection, path: str, size: int) -> bytes:
    """Ask for it; return what came of it with the headers."""
    client.socket.sendall(client.site.get(path))
    received = b""
    while b"\r\n\r\n" not in received:
        received += client.socket.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200 "):
        raise WrongAnswer(f"GET was answered with {head[:40]!r}")
    if b"content-length: %d" % size not in head.lower():
        raise WrongAnswer(f"GET did not announce {size} bytes: {head!r}")
    return body


def _discard(client: Connection, path: str, size: int) -> None:
    got = len(_begin(client, path, size))
    buffer = bytearray(MIB)
    while got < size:
        piece = client.socket.recv_into(buffer, 0, socket.MSG_TRUNC)
        if not piece:
            raise WrongAnswer(f"GET ended after {got} of {size} bytes")
        got += piece


def _compare(client: Connection, path: str, content: Content) -> None:
    piece, got = _begin(client, path, content.size), 0
    while True:
        if piece != content.read(got, len(piece)):
            raise WrongAnswer(f"GET gave other bytes after {got}")
        got += len(piece)
        if got >= content.size:
            return
        piece = client.socket.recv(MIB)
        if not piece:
            raise WrongAnswer(f"GET ended after {got} bytes")


SCENARIOS = (
    Scenario("patch", "One upload of {large_mib} MiB in one PATCH", one_patch, "MiB"),
    Scenario(
        "peak",
        "One upload of {peak_mib} MiB in one PATCH, for its memory",
        peak,
        "MiB",
        rounds=1,
    ),
    Scenario("many", "{at_once} uploads of {each_mib} MiB at once", at_once, "MiB"),
    Scenario(
        "chunked", "{chunked_mib} MiB in PATCHes of {chunk_mib} MiB", chunked, "MiB"
    ),
    Scenario("get", "One GET of {large_mib} MiB", download, "MiB", is_upload=False),
)
