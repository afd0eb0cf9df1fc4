"""Distinguish transient errors of file systems from permanent ones, and translate both into errors of hfdask.

The file systems behind fsspec have no common base class of errors: s3fs translates botocore's to `OSError`, gcsfs
raises its own, and both let through what aiohttp, requests and the credential libraries raise. So errors are recognised
by their HTTP status or errno, and only then by name. Names are used because none of these libraries need be installed.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator

from hfdask.errors import (
    DiskFullError,
    HfdaskError,
    MissingArtifactError,
    OutputNotWritableError,
    StoreError,
    StoreRefusedError,
)
from hfdask.store.redaction import StorageOptions, scrubbed

# S3 answers 409 if two clients create an object at the same moment.
_HEALING_STATUS = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
_HEALING_ERRNO = frozenset(
    {
        errno.EAGAIN,
        errno.EBUSY,
        errno.ECONNABORTED,
        errno.ECONNREFUSED,
        errno.ECONNRESET,
        errno.EHOSTUNREACH,
        errno.EINTR,
        errno.EIO,
        errno.ENETDOWN,
        errno.ENETRESET,
        errno.ENETUNREACH,
        errno.EPIPE,
        errno.EREMOTEIO,
        errno.ESTALE,
        errno.ETIMEDOUT,
    }
)
_HEALING_NAMES = frozenset(
    {
        "aiohttp.ClientConnectionError",
        "aiohttp.ClientPayloadError",
        "botocore.HTTPClientError",
        "botocore.IncompleteReadError",
        "botocore.ResponseStreamingError",
        "ftplib.error_temp",
        "gcsfs.ChecksumError",
        "google.TransportError",
        "http.IncompleteRead",
        "requests.ChunkedEncodingError",
        "requests.ConnectionError",
        "requests.Timeout",
        "urllib3.ProtocolError",
        "urllib3.TimeoutError",
    }
)
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_MISSING = (FileNotFoundError, NotADirectoryError)


class TruncatedRead(OSError):
    """A store sent fewer bytes than it had announced."""

    def __init__(self, got: int, told: int) -> None:
        super().__init__(errno.EIO, f"received only {got} of {told} bytes")


def heals(error: BaseException) -> bool:
    """Return true if the same call may succeed a moment later without any change."""
    for each in _chain(error):
        if isinstance(each, (*_MISSING, PermissionError, FileExistsError, IsADirectoryError)):
            return False
        status = _status(each)
        if status is not None:
            return status in _HEALING_STATUS
        if isinstance(each, TimeoutError | ConnectionError | EOFError) or _names(each) & _HEALING_NAMES:
            return True
    return isinstance(error, OSError) and error.errno in _HEALING_ERRNO


def is_full(error: BaseException) -> bool:
    """Return true if a full disk or quota is the cause of the error."""
    return any(isinstance(each, OSError) and each.errno in _FULL for each in _chain(error))


def may_be_missing(error: BaseException) -> bool:
    """Return true if the file may be missing. FTP has one code for missing files, forbidden ones, and much else."""
    return "ftplib.error_perm" in _names(error) and str(error).startswith("550")


def typed(error: BaseException, url: str, options: StorageOptions | None, *, writing: bool) -> HfdaskError:
    """Return hfdask's error for a failure at a URL, without anything that could be a secret."""
    if isinstance(error, HfdaskError):
        return error
    if isinstance(error, _MISSING) and not writing:
        return MissingArtifactError(f"{url} does not exist", url=url)
    told = error.strerror if isinstance(error, OSError) and error.strerror else error
    text = f"{type(error).__name__}: {scrubbed(str(told), options)}"
    if is_full(error):
        where = f"at {url}" if writing else f"on this machine for {url}"
        return DiskFullError(f"no space is left {where}: {text}; nothing partial was kept", url=url)
    if heals(error):
        return StoreError(f"{url}: {text}", url=url)
    local = "://" not in url or url.startswith("file:")
    advice = (
        "check its permissions, and if its disk can be written"
        if local
        else "check the URL, its bucket and the credentials"
    )
    return StoreRefusedError(f"access to {url} was refused: {text}; {advice}", url=url)


def not_writable(error: HfdaskError, url: str) -> OutputNotWritableError:
    return OutputNotWritableError(f"cannot write to {url}: {error.message}", url=url)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and its causes, without errors that only happened before."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__


def _status(error: BaseException) -> int | None:
    """Return the HTTP status that an error of botocore, aiohttp, gcsfs, requests or google-api-core carries."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        found = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    else:
        found = getattr(error, "status", None) or getattr(error, "code", None) or getattr(response, "status_code", None)
    return int(found) if isinstance(found, int | str) and str(found).isdigit() and 100 <= int(found) < 600 else None


def _names(error: BaseException) -> set[str]:
    return {f"{kind.__module__.partition('.')[0]}.{kind.__name__}" for kind in type(error).__mro__}
