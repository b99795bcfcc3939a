"""Files of one request, each on disk and closed again until it is read.

Django keeps small files in memory and every large one open; a series of two thousand slices would cost
gigabytes or run out of file descriptors.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler, SkipFile
from django.http import HttpRequest

from cases.intake import SentFile
from cases.uploads import upload_limits


class FileOnDisk(UploadedFile):
    def __init__(self, path: Path, **facts: Any) -> None:
        super().__init__(file=None, **facts)
        self.path = path

    def open_anew(self) -> BinaryIO:
        return self.path.open("rb")

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


class FolderUploadHandler(FileUploadHandler):
    """Writes each file into the folder. Of one over the limit only so much is kept that it is seen to be over."""

    def __init__(self, request: HttpRequest, folder: Path) -> None:
        super().__init__(request)
        limits = upload_limits()
        self.folder = folder
        self.most = max(limits.max_file_bytes, limits.max_archive_bytes) + 1
        self.count = 0
        self.stream: IO[bytes] | None = None

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self.count += 1
        self.path = self.folder / str(self.count)
        self.stream = self.path.open("wb")

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        if self.stream is not None and start < self.most:
            self.stream.write(raw_data[: self.most - start])

    def file_complete(self, file_size: int) -> FileOnDisk:
        self._close()
        return FileOnDisk(self.path, name=self.file_name, content_type=self.content_type, size=file_size)

    def upload_interrupted(self) -> None:
        self._close()

    def _close(self) -> None:
        if self.stream is not None:
            self.stream.close()
            self.stream = None


@contextmanager
def files_on_disk(request: HttpRequest) -> Iterator[None]:
    """Around whatever first reads the request's body; the files are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="upload-", dir=settings.FILE_UPLOAD_TEMP_DIR) as folder:
        handlers: Any = [FolderUploadHandler(request, Path(folder))]
        request.upload_handlers = handlers
        yield


def sent_files(request: HttpRequest, field: str = "files", *, names: list[str] | None = None) -> list[SentFile]:
    """`names` are the files' paths in the folder that was sent, which a browser's form leaves out."""
    files = request.FILES.getlist(field)
    if names is None or len(names) != len(files):
        names = [file.name or "" for file in files]
    return [
        SentFile(name=name, open=file.open_anew, size=file.size or 0)
        for name, file in zip(names, files, strict=True)
        if isinstance(file, FileOnDisk)
    ]
