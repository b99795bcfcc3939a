"""Files of one request, in one unnamed file on disk until they are read.

Django keeps small files in memory and every large one open; a series of two thousand slices would cost
gigabytes or run out of file descriptors.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from django.conf import settings
from django.core.exceptions import BadRequest
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler, SkipFile
from django.http import HttpRequest
from django.http.multipartparser import LazyStream
from django.utils.translation import gettext as _

from cases.decoding import require_room, spool_folder
from cases.intake import SentFile
from cases.intake.spool import Kept, Spool
from cases.multipart import PartsReader
from cases.upload_errors import UploadTooLarge
from cases.uploads import upload_limits


class FileOnDisk(UploadedFile):
    def __init__(self, kept: Kept, **facts: Any) -> None:
        super().__init__(file=None, **facts)
        self.kept = kept

    def open_anew(self) -> BinaryIO:
        return self.kept.open()

    def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
        with self.open_anew() as stream:
            while chunk := stream.read(chunk_size or self.DEFAULT_CHUNK_SIZE):
                yield chunk

    def close(self) -> None:
        """There is nothing open to close."""


class UnaskedUploadHandler(FileUploadHandler):
    """For every address that takes no files: what is sent there, by whomever, is never stored."""

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        raise SkipFile

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """There is nothing to receive."""

    def file_complete(self, file_size: int) -> None:
        """There is nothing to complete."""


class SpoolUploadHandler(FileUploadHandler):
    """Reads the whole request into a spool. Of a file over its limit only so much is kept that it is seen to be over.

    Raises UploadTooLarge for a request over the limit of one request, DiskTrouble where the disk has no room for it.
    """

    def __init__(self, request: HttpRequest, spool: Spool) -> None:
        super().__init__(request)
        limits = upload_limits()
        self.spool = spool
        self.most = max(limits.max_file_bytes, limits.max_archive_bytes) + 1

    def handle_raw_input(
        self,
        input_data: Any,
        META: dict[str, str],
        content_length: int,
        boundary: Any,  # bytes, whatever the stubs say
        encoding: str | None = None,
    ) -> tuple[Any, Any]:
        if content_length > settings.UPLOAD_MAX_REQUEST_BYTES:
            raise UploadTooLarge(settings.UPLOAD_MAX_REQUEST_BYTES)
        require_room(spool_folder(), content_length)
        reader = PartsReader(
            input_data,
            boundary,
            encoding=encoding or settings.DEFAULT_CHARSET,
            chunk_size=self.chunk_size,
            keep_file=self._keep_file,
        )
        return reader.read()

    def _keep_file(self, name: str, media_type: str, part: LazyStream) -> FileOnDisk:
        start, size = self.spool.end, 0
        for chunk in part:
            if size < self.most:
                self.spool.append(chunk[: self.most - size])
            size += len(chunk)
        return FileOnDisk(self.spool.since(start), name=name, content_type=media_type, size=size)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Everything was received from the raw input."""

    def file_complete(self, file_size: int) -> None:
        """Everything was completed with the raw input."""


@contextmanager
def files_on_disk(request: HttpRequest) -> Iterator[None]:
    """Around whatever first reads the request's body; the files are gone afterwards."""
    spool = Spool(spool_folder())
    handlers: Any = [SpoolUploadHandler(request, spool)]
    request.upload_handlers = handlers
    try:
        yield
    finally:
        spool.close()


def sent_files(request: HttpRequest, field: str = "files", *, names: list[str] | None = None) -> list[SentFile]:
    """`names` are the files' paths in the folder that was sent, which a browser's form leaves out."""
    if request.POST.getlist(field):
        raise BadRequest(_("A file came without a file name; nothing of this upload was stored."))
    files = request.FILES.getlist(field)
    if names is None or len(names) != len(files):
        names = [file.name or "" for file in files]
    return [
        SentFile(name=name, open=file.open_anew, size=file.size or 0, kept=file.kept)
        for name, file in zip(names, files, strict=True)
        if isinstance(file, FileOnDisk)
    ]
