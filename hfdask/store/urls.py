"""URLs of folders as they can be shown: with the server, without what is secret.

A file system's own paths often lack the server (FTP, SFTP, HDFS, SMB) or the account (Azure), and its URLs may have a user
and a password. So a URL is split into a URL without secrets that names the same folder in every process, and options that hold the rest.
"""

from __future__ import annotations

from typing import Any

from hfdask.store.redaction import shown


def parted_url(kind: Any, url: str, short: str) -> tuple[str, dict[str, Any]]:
    """Split a folder's URL into a URL that can be shown, and the options that only the full URL contains.

    Parameters
    ----------
    kind : type of AbstractFileSystem
        What the URL's protocol stands for.
    url : str
        The URL as it was given.
    short : str
        What the file system makes of the folder's path. It is enough if the URL names no server.
    """
    told = {} if "::" in url else kind._get_kwargs_from_urls(url)
    scheme, _, rest = url.partition("://")
    if not told:
        return shown(short), {}
    authority, _, path = rest.partition("?")[0].rstrip("/").partition("/")
    bare = _joined(scheme, authority.rpartition("@")[2], path)
    if kind._strip_protocol(bare) != kind._strip_protocol(url):  # a container, which Azure writes in place of a user
        bare = _joined(scheme, authority, path)
    known = kind._get_kwargs_from_urls(bare)
    return bare, {name: value for name, value in told.items() if name not in known or known[name] != value}


def _joined(scheme: str, authority: str, path: str) -> str:
    return f"{scheme}://{authority}" + (f"/{path}" if path else "")
