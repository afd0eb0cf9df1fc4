"""Files behind URLs: plans, chunks and outputs on anything that fsspec reaches, and the machine's cache of objects."""

from __future__ import annotations

from hfdask.store.cache import Cache
from hfdask.store.calls import concurrently
from hfdask.store.content import file_digest, listing_digest, object_name
from hfdask.store.folders import publish_folder, require_own_folder
from hfdask.store.location import Location, Place, split_output, split_url
from hfdask.store.objects import LARGE_THREADS, Snapshot, materialised, packing
from hfdask.store.redaction import SecretOptions, StorageOptions, shown
from hfdask.store.store import READS, Store, disk_full_at

__all__ = [
    "LARGE_THREADS",
    "READS",
    "Cache",
    "Location",
    "Place",
    "SecretOptions",
    "Snapshot",
    "StorageOptions",
    "Store",
    "concurrently",
    "disk_full_at",
    "file_digest",
    "listing_digest",
    "materialised",
    "object_name",
    "packing",
    "publish_folder",
    "require_own_folder",
    "shown",
    "split_output",
    "split_url",
]
