"""A plan's objects: send content by digest to a store, and fetch it on workers.

In a local store each object is a file, and is used in place. In other stores a request costs more than a small file, so
small objects travel together, in tars. The planner and every worker derive the packs from the list of objects in the
manifest alone. So nothing about packs is stored or trusted, and a plan is the same in every store.
"""

from __future__ import annotations

import hashlib
import itertools
import shutil
import tarfile
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from msgspec import Struct

from hfdask.core.cores import cores
from hfdask.core.scratch import scratch_folder
from hfdask.errors import ArtifactDigestError, HfdaskError, MissingArtifactError
from hfdask.store.cache import Cache
from hfdask.store.calls import concurrently
from hfdask.store.content import file_digest, is_content, measured, object_name
from hfdask.store.failures import typed
from hfdask.store.store import READS, Store

SMALL = 10**6
"""Objects of fewer bytes share a pack."""

PACK = 64 * 10**6
"""Bytes of objects in a pack, at most."""

LARGE_THREADS = 4
"""Transfers of packs and large objects at a time: each may hold many parts in memory."""

HASHERS = 8
"""Files that are hashed at a time, at most: one for each core."""


class PlanObject(Protocol):
    """An entry of a manifest for a file that the plan carries; ``shared`` is true if every chunk needs it."""

    @property
    def path(self) -> str: ...
    @property
    def sha256(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def of_project(self) -> bool: ...
    @property
    def shared(self) -> bool: ...


class Pack(Struct, frozen=True):
    """Small objects that travel together; digests in order, with their sizes."""

    members: tuple[tuple[str, int], ...]

    @property
    def name(self) -> str:
        """Name in the store, a digest of the members, from which the pack's bytes follow."""
        return f"packs/{hashlib.sha256(''.join(digest for digest, _ in self.members).encode()).hexdigest()}.tar"

    @property
    def positions(self) -> list[int]:
        """Offset of each member's content in the tar, after its header of one block."""
        return [begin + tarfile.BLOCKSIZE for begin in self._begins[:-1]]

    @property
    def size(self) -> int:
        """Bytes of the tar: its members, an end of two blocks, and the padding of its last record."""
        return _rounded(self._begins[-1] + 2 * tarfile.BLOCKSIZE, tarfile.RECORDSIZE)

    @property
    def _begins(self) -> list[int]:
        lengths = (tarfile.BLOCKSIZE + _rounded(size, tarfile.BLOCKSIZE) for _, size in self.members)
        return list(itertools.accumulate(lengths, initial=0))


def _rounded(size: int, unit: int) -> int:
    return -(-size // unit) * unit


def packing(objects: Iterable[PlanObject]) -> tuple[Pack, ...]:
    """Return the packs of a plan: small objects that every chunk needs, by digest, as many as fit.

    No pack has a single object. This rule is part of the plan's protocol.
    """
    small: dict[bool, list[tuple[str, int]]] = {True: [], False: []}
    for (digest, size), of_project in _contents(each for each in objects if each.shared).items():
        if size < SMALL:
            small[of_project].append((digest, size))
    packs = []
    for members in filter(None, small.values()):
        pack: list[tuple[str, int]] = []
        total = 0
        for member in sorted(members):
            if total + member[1] > PACK:
                packs.append(Pack(tuple(pack)))
                pack, total = [], 0
            pack.append(member)
            total += member[1]
        packs.append(Pack(tuple(pack)))
    return tuple(sorted((pack for pack in packs if len(pack.members) > 1), key=lambda pack: pack.members))


def _contents(objects: Iterable[PlanObject]) -> dict[tuple[str, int], bool]:
    """Return each content, whatever its names, and if it is a file of the project."""
    contents: dict[tuple[str, int], bool] = {}
    for each in objects:
        key = each.sha256, each.size
        contents[key] = contents.get(key, False) or each.of_project
    return contents


class Snapshot:
    """The content of a plan that is being made, fixed when it is added. Use it as a context manager.

    Content is kept by digest, in the plan's folder if that is local, else in the machine's cache, so that chunks on
    this machine need not fetch it again.

    Parameters
    ----------
    store : Store
        The plan's folder.
    given : mapping of str to Path, optional
        Verified local files by digest that the plan has besides what is added. They are used in place.
    """

    def __init__(self, store: Store, given: Mapping[str, Path] | None = None) -> None:
        self._store = store
        self._given = given or {}
        self._cache = None if store.local else Cache()
        self._stack = ExitStack()
        self._keep: Callable[[Iterable[str]], None] = lambda _: None

    def __enter__(self) -> Self:
        if self._cache:
            self._keep = self._stack.enter_context(self._cache.lease())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    def add(self, source: Path | bytes) -> tuple[str, int]:
        """Add the content of a file or bytes; return its digest and size."""
        digest, size = measured(source)
        if self._cache is None:
            _put(self._store, object_name(digest), source, size, digest)
            return digest, size
        self._keep([digest])
        if not self._cache.has(digest, size):
            taken: list[tuple[str, int]] = []
            self._cache.retry_when_full(lambda: taken.append(self._take(source)))
            digest, size = taken[-1]
        return digest, size

    def add_all(self, sources: Iterable[Path | bytes]) -> list[tuple[str, int]]:
        """Call `add` for many files at once; return the results in order."""
        return concurrently(self.add, sources)

    def _take(self, source: Path | bytes) -> tuple[str, int]:
        assert self._cache
        with self._cache.exclusive(uuid.uuid4().hex) as path:
            if isinstance(source, bytes):
                path.write_bytes(source)
            else:
                shutil.copyfile(source, path)
            digest, size = measured(path)  # of the copy: the file may have changed since it was looked at
            self._keep([digest])
            self._cache.commit(path, digest)
        return digest, size

    def file(self, digest: str) -> Path:
        """Return the local file of content that was added or given."""
        if digest in self._given:
            return self._given[digest]
        return self._cache.path(digest) if self._cache else Path(self._store.path) / object_name(digest)

    def adopt(self, earlier: PlanObject) -> bool:
        """Add content of an earlier plan from the store; return false if it is not there, or not as it was.

        Raises
        ------
        StoreError, StoreRefusedError, DiskFullError
        """
        try:
            if self._cache is None:
                _in_place(self._store, earlier)
            else:
                self._keep([earlier.sha256])
                _bring(self._cache, self._store, earlier)
        except (MissingArtifactError, ArtifactDigestError):
            return False
        return True

    def publish(self, objects: Iterable[PlanObject], published: Iterable[PlanObject] = ()) -> None:
        """Send all content of a plan to its store, unless it exists there.

        Parameters
        ----------
        published : iterable of PlanObject
            The project's objects, if they were published before. They are not sent or looked for again.

        Raises
        ------
        ArtifactDigestError
            If a name exists with different content.
        StoreError, StoreRefusedError, DiskFullError
        """
        if self._cache is None:
            return
        objects, published = tuple(objects), tuple(published)
        packs = packing(objects)
        packed = {member for pack in packs for member in pack.members}
        known_packs = set(packing(published))
        known = {*_contents(published)} - {member for pack in known_packs for member in pack.members}
        single = [content for content in _contents(objects) if content not in packed and content not in known]
        concurrently(self._publish_pack, [pack for pack in packs if pack not in known_packs], LARGE_THREADS)
        concurrently(self._publish_single, single, LARGE_THREADS)
        self._cache.evict()

    def _publish_single(self, content: tuple[str, int]) -> None:
        digest, size = content
        _put(self._store, object_name(digest), self.file(digest), size, digest)

    def _publish_pack(self, pack: Pack) -> None:
        path = scratch_folder() / f"pack-{uuid.uuid4().hex}"
        try:
            with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
                for digest, size in pack.members:
                    member = tarfile.TarInfo(digest)
                    member.size = size
                    with self.file(digest).open("rb") as file:
                        tar.addfile(member, file)
            _put(self._store, pack.name, path, path.stat().st_size, file_digest(path))
        finally:
            path.unlink(missing_ok=True)


def _put(store: Store, name: str, source: Path | bytes, size: int, digest: str) -> None:
    """Write content under its digest's name. If the name exists, check its content."""
    looked = store.local or size >= SMALL  # do not send what may exist, unless sending is cheaper than asking
    if not (looked and store.exists(name)) and store.create(name, source):
        return
    same = store.size(name) == size
    if same and size < SMALL and not store.local:
        same = hashlib.sha256(store.read(name)).hexdigest() == digest
    if not same:
        raise ArtifactDigestError(
            f"{store.url_of(name)} exists with different content; delete it and plan again",
            url=store.url_of(name),
            sha256=digest,
        )


@contextmanager
def materialised(
    store: Store, objects: Iterable[PlanObject], wanted: Iterable[PlanObject]
) -> Iterator[Mapping[str, Path]]:
    """Yield local, verified files of the wanted objects of a plan, by digest. They stay until the block ends.

    Each is fetched once a machine and hashed once, however many chunks, threads and processes ask for it. Objects in a
    local store are used in place.

    Raises
    ------
    MissingArtifactError
        If an object is not in the store.
    ArtifactDigestError
        If its bytes differ from the planned ones.
    StoreError, StoreRefusedError, DiskFullError
    """
    by_digest = {each.sha256: each for each in wanted}
    if store.local:
        paths = concurrently(partial(_in_place, store), by_digest.values(), min(HASHERS, cores()))
        yield dict(zip(by_digest, paths, strict=True))
        return
    cache = Cache()
    with cache.lease() as keep:
        keep(by_digest)
        there = concurrently(lambda each: cache.has(each.sha256, each.size), by_digest.values(), min(HASHERS, cores()))
        missing = {digest for digest, found in zip(by_digest, there, strict=True) if not found}
        if missing:
            packs = [pack for pack in packing(objects) if any(digest in missing for digest, _ in pack.members)]
            packed = {digest for pack in packs for digest, _ in pack.members}
            jobs: list[Callable[[], None]] = [partial(_bring_pack, cache, store, pack, by_digest) for pack in packs]
            jobs += [partial(_bring, cache, store, by_digest[digest]) for digest in sorted(missing - packed)]
            concurrently(lambda job: job(), jobs, LARGE_THREADS)
            cache.evict()
        yield {digest: cache.path(digest) for digest in by_digest}


def _bring(cache: Cache, store: Store, wanted: PlanObject) -> None:
    with cache.exclusive(wanted.sha256) as path:
        if cache.has(wanted.sha256, wanted.size):
            return
        try:
            cache.retry_when_full(partial(_fetch, store, object_name(wanted.sha256), path, wanted.size, wanted.sha256))
        except ArtifactDigestError:
            raise _wrong(store, wanted) from None
        cache.commit(path, wanted.sha256)


def _bring_pack(cache: Cache, store: Store, pack: Pack, wanted: Mapping[str, PlanObject]) -> None:
    with cache.exclusive(pack.name.replace("/", "-")) as path:
        for _ in range(READS):
            missing = {digest: size for digest, size in pack.members if not cache.has(digest, size)}
            if not missing.keys() & wanted.keys():
                return
            with suppress(ArtifactDigestError):  # too long: fetch it again, like any wrong one
                cache.retry_when_full(partial(_fetch, store, pack.name, path, pack.size))
                cache.retry_when_full(partial(_unpack, cache, path, pack, missing))
    left = [wanted[digest] for digest, size in pack.members if digest in wanted and not cache.has(digest, size)]
    if left:
        raise _wrong(store, left[0])


def _fetch(store: Store, name: str, path: Path, size: int, sha256: str | None = None) -> None:
    store.fetch(name, path, size, sha256, reads=READS if sha256 else 1, limit=size)


def _unpack(cache: Cache, path: Path, pack: Pack, missing: Mapping[str, int]) -> None:
    """Unpack the members with the right content; others stay missing.

    A member's position follows from the sizes of those before it, so the headers of the tar are never read.
    """
    with path.open("rb") as file:
        for (digest, size), position in zip(pack.members, pack.positions, strict=True):
            file.seek(position)
            content = file.read(size) if digest in missing else b""
            if digest not in missing or measured(content) != (digest, size):
                continue
            with cache.exclusive(uuid.uuid4().hex) as partial_path:
                partial_path.write_bytes(content)
                cache.commit(partial_path, digest)


def _in_place(store: Store, wanted: PlanObject) -> Path:
    path = store.in_place(object_name(wanted.sha256))
    try:
        right = is_content(path, wanted.sha256, wanted.size)
    except OSError as error:
        raise typed(error, store.url, None, writing=False) from error
    if not right:
        raise _wrong(store, wanted)
    return path


def _wrong(store: Store, wanted: PlanObject) -> HfdaskError:
    return ArtifactDigestError(
        f"{wanted.path}: the plan's object {wanted.sha256[:16]} at {store.url} does not have the content that was planned; "
        "delete the plan's folder and plan again",
        path=wanted.path,
        sha256=wanted.sha256,
    )
