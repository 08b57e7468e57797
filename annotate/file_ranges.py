"""Files that never change, answered whole or in part: a download that broke off goes on (RFC 9110)."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple

from django.http import FileResponse, HttpResponse, HttpResponseBase, StreamingHttpResponse

CHUNK_BYTES = 256 * 1024
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class Part(NamedTuple):
    """The bytes that are asked for; none of them are there where `last` comes before `first`."""

    first: int
    last: int


def part_of(headers: Mapping[str, str], etag: str, size: int) -> Part | None:
    """Return the part that a request asks for; None where it gets the whole file.

    It does when it asks for no range, for one of another file (If-Range), or for what we do not know.
    """
    match = _RANGE.fullmatch(headers.get("Range", ""))
    if match is None or headers.get("If-Range", etag) != etag or match[0] == "bytes=-":
        return None
    first, last = match.groups()
    if not first:
        return Part(max(0, size - int(last)), size - 1)
    return Part(int(first), min(int(last), size - 1) if last else size - 1)


def answer(headers: Mapping[str, str], path: Path, sha256: str, content_type: str) -> HttpResponseBase:
    """Return the file, or the part of it that the headers ask for; its hash is its ETag."""
    etag, size = f'"{sha256}"', path.stat().st_size
    part = part_of(headers, etag, size)
    response: HttpResponseBase
    if part is None:
        response = FileResponse(path.open("rb"), as_attachment=True, filename=path.name)
    elif part.first > part.last:
        response = HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    else:
        response = _partial(path.open("rb"), part, size)
    response["Content-Type"] = content_type
    response["ETag"], response["Accept-Ranges"] = etag, "bytes"
    # Compressed on the way, its bytes would be others than those that are counted here.
    response["Content-Encoding"] = "identity"
    return response


def _partial(file: BinaryIO, part: Part, size: int) -> StreamingHttpResponse:
    length = part.last - part.first + 1
    file.seek(part.first)
    response = StreamingHttpResponse(_chunks(file, length), status=206)
    response["Content-Range"] = f"bytes {part.first}-{part.last}/{size}"
    response["Content-Length"] = str(length)
    response["Content-Disposition"] = f'attachment; filename="{Path(file.name).name}"'
    return response


def _chunks(file: BinaryIO, length: int) -> Iterator[bytes]:
    with file:
        while length > 0 and (chunk := file.read(min(CHUNK_BYTES, length))):
            length -= len(chunk)
            yield chunk
