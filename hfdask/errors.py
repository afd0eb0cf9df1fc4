"""The tree of all errors that hfdask raises on purpose.

A driver decides by ``retryable`` alone if another attempt can help. People and programs recognise an error by its
stable ``code``. Neither is derived from a class name or a message. All errors pickle, with their details, because most
of them cross from a worker to the driver.

::

    HfdaskError
    ├── InvalidConfigError              INVALID_CONFIG
    │   ├── VariableError               INVALID_VARIABLES
    │   ├── RowsError                   INVALID_ROWS
    │   └── FormatNotSupportedError     FORMAT_NOT_SUPPORTED_IN_DISTRIBUTED
    ├── ProjectError
    │   ├── EntryNotFoundError          ENTRY_NOT_FOUND
    │   ├── RootNotFoundError           COMPOSITION_ROOT_NOT_FOUND
    │   ├── EmptyCompositionError       EMPTY_COMPOSITION
    │   ├── DurationError               DISTRIBUTED_DURATION_OUT_OF_RANGE
    │   ├── TimelineError               TIMELINE_NOT_REGISTERED
    │   ├── ScriptError                 PAGE_SCRIPT_ERROR
    │   ├── NavigationError             PAGE_NAVIGATED
    │   ├── AssetError                  MISSING_ASSET
    │   │   ├── AssetRefusedError       ASSET_REFUSED
    │   │   ├── AssetFetchError         ASSET_FETCH_FAILED        retryable
    │   │   ├── FontUnreadableError     FONT_UNREADABLE
    │   │   ├── NotMediaError           NOT_MEDIA_PAYLOAD
    │   │   ├── MediaTypeError          ASSET_MEDIA_TYPE_MISMATCH
    │   │   ├── VideoSourceError        VIDEO_SOURCE_UNRENDERABLE
    │   │   └── SoundSourceError        AUDIO_SOURCE_UNRENDERABLE
    │   ├── VideoClipError              VIDEO_CLIP_INVALID
    │   ├── SoundMarkupError            SOUND_MARKUP_INVALID
    │   ├── MediaStartError             MEDIA_START_OUT_OF_RANGE
    │   ├── CheckFailedError            CHECK_FAILED
    │   ├── SystemFontError             SYSTEM_FONT_USED
    │   ├── MissingGlyphError           GLYPH_MISSING
    │   └── UnsupportedFeatureError     UNSUPPORTED_FEATURE
    ├── BrowserError
    │   ├── BrowserNotFoundError        CHROME_BINARY_UNAVAILABLE
    │   ├── BrowserLaunchError          BROWSER_LAUNCH_FAILED     retryable
    │   ├── BrowserCrashError           BROWSER_CRASHED           retryable
    │   ├── BrowserMemoryError          BROWSER_OUT_OF_MEMORY     retryable
    │   ├── PageTimeoutError            PAGE_TIMEOUT              retryable
    │   └── CaptureError                CAPTURE_FAILED            retryable
    ├── PlanError
    │   ├── MissingArtifactError        MISSING_PLAN_ARTIFACT     retryable
    │   ├── PlanCorruptError            PLAN_CORRUPT
    │   ├── ProtocolError               PLAN_PROTOCOL_UNSUPPORTED
    │   ├── PlanHashError               PLAN_HASH_MISMATCH
    │   ├── ArtifactDigestError         PLAN_ARTIFACT_DIGEST_MISMATCH
    │   ├── ChunkIndexError             CHUNK_INDEX_OUT_OF_RANGE
    │   └── EnvironmentMismatchError    ENVIRONMENT_MISMATCH
    ├── MediaError                      MEDIA_ERROR
    │   ├── EncodeError                 ENCODE_FAILED
    │   │   └── NotDecodableError       CHUNK_NOT_DECODABLE       retryable
    │   ├── VideoReadError              VIDEO_EXTRACTION_FAILED   retryable
    │   └── SoundReadError              AUDIO_EXTRACTION_FAILED   retryable
    ├── AssembleError
    │   ├── ChunkMissingError           CHUNK_MISSING
    │   ├── ChunkMismatchError          CHUNK_MISMATCH
    │   ├── SeamError                   SEAM_MISMATCH
    │   └── OutputInvalidError          OUTPUT_INVALID
    ├── CertificateError                CERTIFICATE_MISMATCH
    ├── FontInstallError                FONT_FETCH_FAILED
    ├── MissingExtraError               EXTRA_MISSING
    ├── OutputNotWritableError          OUTPUT_NOT_WRITABLE
    │   └── OutputBusyError             OUTPUT_BUSY               retryable
    ├── StoreError                      STORE_UNAVAILABLE         retryable
    ├── StoreRefusedError               STORE_REFUSED
    ├── StoreNotAllowedError            STORE_NOT_ALLOWED
    ├── DiskFullError                   DISK_FULL
    ├── WorkerLostError                 WORKER_LOST               retryable
    ├── SchedulerLostError              SCHEDULER_LOST            retryable
    ├── DashboardError                  DASHBOARD_UNAVAILABLE
    ├── ForkedProcessError              FORKED_PROCESS
    └── RenderCancelledError            RENDER_CANCELLED
"""

from __future__ import annotations

from typing import Any, ClassVar

from hfdask.text import all_legible, legible

MAX_MESSAGE = 8000
"""Most characters of an error's message. Dask replaces errors of more than 10,000 by plain text (`distributed.utils.truncate_exception`)."""


class HfdaskError(Exception):
    """Base of all errors of this library.

    Parameters
    ----------
    message : str
        The problem, its place (file, attribute or URL), and what to do about it. It may quote text of pages, so it is made
        legible, and is cut at `MAX_MESSAGE`.
    **details
        JSON-safe facts for programs: never credentials, never signed URLs.

    Attributes
    ----------
    code : str
        Stable, upper-case identity of the error.
    retryable : bool
        True if another attempt, perhaps on another machine, can succeed without any change.
    """

    code: ClassVar[str] = "HFDASK_ERROR"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, **details: Any) -> None:
        self.message = legible(message)
        if len(self.message) > MAX_MESSAGE:
            self.message = self.message[:MAX_MESSAGE] + "…"
        super().__init__(self.message)
        self.details: dict[str, Any] = all_legible(details)

    def __str__(self) -> str:
        return f"[{self.code}] {self.message}"

    def __reduce__(self) -> tuple[Any, ...]:
        notes = {"__notes__": self.__notes__} if hasattr(self, "__notes__") else None
        return _rebuild, (type(self), self.message, self.details), notes


def _rebuild(cls: type[HfdaskError], message: str, details: dict[str, Any]) -> HfdaskError:
    return cls(message, **details)


class InvalidConfigError(HfdaskError):
    """An option has a value that no render can use; ``details['field']`` names it."""

    code = "INVALID_CONFIG"


class VariableError(InvalidConfigError):
    """Values for variables do not fit what the composition declares; ``details['problems']`` lists all of them."""

    code = "INVALID_VARIABLES"


class RowsError(InvalidConfigError):
    """The rows of a batch cannot be used; ``details['problems']`` lists what is wrong with which row."""

    code = "INVALID_ROWS"


class FormatNotSupportedError(InvalidConfigError):
    """This version cannot write such a video."""

    code = "FORMAT_NOT_SUPPORTED_IN_DISTRIBUTED"


class ProjectError(HfdaskError):
    """The composition cannot be rendered as it is."""

    code = "PROJECT_ERROR"


class EntryNotFoundError(ProjectError):
    """The project has no entry document."""

    code = "ENTRY_NOT_FOUND"


class RootNotFoundError(ProjectError):
    """The entry document has no composition root."""

    code = "COMPOSITION_ROOT_NOT_FOUND"


class EmptyCompositionError(ProjectError):
    """Sub-compositions are missing, empty, or declare nothing; ``details['files']`` lists all of them."""

    code = "EMPTY_COMPOSITION"


class DurationError(ProjectError):
    """The composition's duration is zero, unknown, or longer than 24 hours."""

    code = "DISTRIBUTED_DURATION_OUT_OF_RANGE"


class TimelineError(ProjectError):
    """The duration depends on a timeline that no script registered."""

    code = "TIMELINE_NOT_REGISTERED"


class ScriptError(ProjectError):
    """A script of the page threw an exception, while loading or at a frame."""

    code = "PAGE_SCRIPT_ERROR"


class NavigationError(ProjectError):
    """The page navigated to another document, or reloaded."""

    code = "PAGE_NAVIGATED"


class AssetError(ProjectError):
    """The page asks for a file that is not in the plan."""

    code = "MISSING_ASSET"


class AssetRefusedError(AssetError):
    """Planning may not fetch a file of the page: private address, too long, or too many redirects."""

    code = "ASSET_REFUSED"


class AssetFetchError(AssetError):
    """Planning could not fetch a file of the page; another attempt may succeed."""

    code = "ASSET_FETCH_FAILED"
    retryable = True


class FontUnreadableError(AssetError):
    """A font file of the page cannot be decoded; ``details["fonts"]`` lists the files."""

    code = "FONT_UNREADABLE"


class NotMediaError(AssetError):
    """A media file holds HTML, XML or JSON, for example a server's error page."""

    code = "NOT_MEDIA_PAYLOAD"


class MediaTypeError(AssetError):
    """A file of a ``<video>`` has no moving pictures, or a file of an ``<audio>`` is a picture or has no sound."""

    code = "ASSET_MEDIA_TYPE_MISMATCH"


class VideoSourceError(AssetError):
    """A source video cannot be rendered; ``details["reason"]`` gives the reason in a word, such as ``encrypted``."""

    code = "VIDEO_SOURCE_UNRENDERABLE"


class SoundSourceError(AssetError):
    """A file's sound cannot be decoded; ``details["reason"]`` gives the reason in a word, such as ``codec``."""

    code = "AUDIO_SOURCE_UNRENDERABLE"


class VideoClipError(ProjectError):
    """An attribute of a ``<video>``, such as its speed ramp, cannot be read; ``details["element"]`` names it."""

    code = "VIDEO_CLIP_INVALID"


class SoundMarkupError(ProjectError):
    """``data-fx-chain`` or ``data-automation`` of a sound cannot be read; ``details["attribute"]`` names the attribute."""

    code = "SOUND_MARKUP_INVALID"


class MediaStartError(ProjectError):
    """A ``<video>`` that loops or has no duration begins after the end of its source, so it cannot show anything."""

    code = "MEDIA_START_OUT_OF_RANGE"


class CheckFailedError(ProjectError):
    """A strict check found something; ``details['findings']`` lists it."""

    code = "CHECK_FAILED"


class SystemFontError(ProjectError):
    """Text is drawn in a font of the planning machine, and ``fonts="reject"`` forbids that."""

    code = "SYSTEM_FONT_USED"


class MissingGlyphError(ProjectError):
    """No font of the plan has some characters of the text; ``details`` has ``characters`` and ``elements``."""

    code = "GLYPH_MISSING"


class UnsupportedFeatureError(ProjectError):
    """The composition uses a feature that this version cannot render correctly."""

    code = "UNSUPPORTED_FEATURE"


class BrowserError(HfdaskError):
    """Chromium failed."""

    code = "BROWSER_ERROR"


class BrowserNotFoundError(BrowserError):
    """This machine has no usable Chromium."""

    code = "CHROME_BINARY_UNAVAILABLE"


class BrowserLaunchError(BrowserError):
    """Chromium was found but did not start."""

    code = "BROWSER_LAUNCH_FAILED"
    retryable = True


class BrowserCrashError(BrowserError):
    """Chromium or one of its pages died."""

    code = "BROWSER_CRASHED"
    retryable = True


class BrowserMemoryError(BrowserError):
    """Chromium exceeded its memory limit and was killed; ``details`` has ``bytes`` and ``limit``."""

    code = "BROWSER_OUT_OF_MEMORY"
    retryable = True


class PageTimeoutError(BrowserError):
    """The page did not answer in time, while loading or at a frame."""

    code = "PAGE_TIMEOUT"
    retryable = True


class CaptureError(BrowserError):
    """Chromium refused to produce a frame."""

    code = "CAPTURE_FAILED"
    retryable = True


class PlanError(HfdaskError):
    """A plan cannot be used."""

    code = "PLAN_ERROR"


class MissingArtifactError(PlanError):
    """A file of the plan is not in the store; it may still be on its way."""

    code = "MISSING_PLAN_ARTIFACT"
    retryable = True


class PlanCorruptError(PlanError):
    """A stored document, such as the manifest, is not valid."""

    code = "PLAN_CORRUPT"


class ProtocolError(PlanError):
    """The plan was written for another version of this library."""

    code = "PLAN_PROTOCOL_UNSUPPORTED"


class PlanHashError(PlanError):
    """The manifest has changed since planning, or another plan is in its place."""

    code = "PLAN_HASH_MISMATCH"


class ArtifactDigestError(PlanError):
    """An object's content does not match the digest in its name."""

    code = "PLAN_ARTIFACT_DIGEST_MISMATCH"


class ChunkIndexError(PlanError):
    """The plan has no chunk of this index."""

    code = "CHUNK_INDEX_OUT_OF_RANGE"


class EnvironmentMismatchError(PlanError):
    """This process lacks the browser, libraries or runtime that the plan is locked to."""

    code = "ENVIRONMENT_MISMATCH"


class MediaError(HfdaskError):
    """A video or picture could not be read or compared."""

    code = "MEDIA_ERROR"


class EncodeError(MediaError):
    """The encoder refused frames or settings."""

    code = "ENCODE_FAILED"


class NotDecodableError(EncodeError):
    """A chunk cannot be decoded, although its encoder reported no error; another attempt may succeed."""

    code = "CHUNK_NOT_DECODABLE"
    retryable = True


class VideoReadError(MediaError):
    """This machine could not read a planned source video; another attempt may succeed."""

    code = "VIDEO_EXTRACTION_FAILED"
    retryable = True


class SoundReadError(MediaError):
    """This machine could not read a planned source of sound; another attempt may succeed."""

    code = "AUDIO_EXTRACTION_FAILED"
    retryable = True


class AssembleError(HfdaskError):
    """Chunks cannot be joined to the planned video."""

    code = "ASSEMBLE_FAILED"


class ChunkMissingError(AssembleError):
    """A chunk's file or record is missing."""

    code = "CHUNK_MISSING"


class ChunkMismatchError(AssembleError):
    """A chunk does not match the plan."""

    code = "CHUNK_MISMATCH"


class SeamError(AssembleError):
    """Two neighbouring chunks rendered the frame at their seam differently."""

    code = "SEAM_MISMATCH"


class OutputInvalidError(AssembleError):
    """The assembled video failed its verification."""

    code = "OUTPUT_INVALID"


class CertificateError(HfdaskError):
    """A video, its plan or its frames do not match its certificate."""

    code = "CERTIFICATE_MISMATCH"


class FontInstallError(HfdaskError):
    """The canonical font families could not be fetched or stored."""

    code = "FONT_FETCH_FAILED"


class MissingExtraError(HfdaskError):
    """A package that only this feature needs is not installed; ``details["extra"]`` names the extra that brings it."""

    code = "EXTRA_MISSING"


class OutputNotWritableError(HfdaskError):
    """The output cannot be written to its folder or URL."""

    code = "OUTPUT_NOT_WRITABLE"


class OutputBusyError(OutputNotWritableError):
    """Another render to the same output is under way."""

    code = "OUTPUT_BUSY"
    retryable = True


class StoreError(HfdaskError):
    """A store failed, and another attempt may succeed."""

    code = "STORE_UNAVAILABLE"
    retryable = True


class StoreRefusedError(HfdaskError):
    """A store refused a request: no permission, no credentials, no such bucket, or an unsupported request."""

    code = "STORE_REFUSED"


class StoreNotAllowedError(HfdaskError):
    """``HFDASK_ALLOWED_URLS`` does not allow this process to read or write a URL."""

    code = "STORE_NOT_ALLOWED"


class DiskFullError(HfdaskError):
    """The disk or the store is full; nothing partial was kept."""

    code = "DISK_FULL"


class WorkerLostError(HfdaskError):
    """The workers that ran a chunk died."""

    code = "WORKER_LOST"
    retryable = True


class SchedulerLostError(HfdaskError):
    """The scheduler of a render is gone, or no longer knows the render."""

    code = "SCHEDULER_LOST"
    retryable = True


class DashboardError(HfdaskError):
    """The scheduler cannot show the dashboard's page, because it has no dashboard, no Bokeh or no hfdask."""

    code = "DASHBOARD_UNAVAILABLE"


class ForkedProcessError(HfdaskError):
    """This process is a fork that lacks the threads of its parent; spawn it instead."""

    code = "FORKED_PROCESS"


class RenderCancelledError(HfdaskError):
    """The render was cancelled; finished chunks are kept."""

    code = "RENDER_CANCELLED"
