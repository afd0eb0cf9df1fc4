"""Load a composition, and seek it frame by frame.

The page's runtime does the work and answers with plain JSON. This side sets deadlines, collects errors, and requests
frames of the compositor while the page loads: with BeginFrame nothing is drawn, and some promises never settle, without
such requests.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from fractions import Fraction
from typing import Any, Literal, TypeVar
from urllib.parse import quote

import msgspec
from msgspec import Struct
from playwright.async_api import CDPSession, Page
from playwright.async_api import Error as PlaywrightError

from hfdask.browser.answers import (
    AllMedia,
    BrokenFaces,
    Elements,
    MediaIds,
    OpenedSlots,
    Passed,
    PictureBox,
    Report,
    Sentences,
    Sought,
    Status,
    UnknownMedium,
    Volumes,
    understood,
)
from hfdask.browser.calls import Patience, browser_call
from hfdask.browser.chromium import Chromium, begin_frame
from hfdask.browser.deadlines import Deadlines
from hfdask.browser.debugger import Debugger
from hfdask.browser.host import Armed, Host, Shot
from hfdask.browser.loading import QUIET_LOOKS, Loaded, given_up, until_ready
from hfdask.browser.missing_files import asset_error, described, refusals_of, unreadable_error
from hfdask.browser.page_log import PageLog
from hfdask.browser.video_feed import Shown, VideoFeed, VideoShape, told_shapes
from hfdask.core.model import PageParts, PageSettings
from hfdask.errors import ScriptError
from hfdask.media.hdr_picture import NOWHERE, Place
from hfdask.network.intercept import Network
from hfdask.network.messages import redact_text
from hfdask.page import video_worker
from hfdask.page.server import HOST_PAGE, ORIGIN, Site
from hfdask.text import all_well_formed, legible

# Maximum for a frame: observers may trigger other observers without end.
_OPPORTUNITIES = 8
_MAX_ASKED = 100  # missing files for which an element is searched


T = TypeVar("T")


LookIntoVideos = Callable[[tuple[UnknownMedium, ...]], Awaitable[Mapping[str, VideoShape | None]]]
"""Returns the shapes of videos for which a page asks, by render id."""

LookIntoSounds = Callable[[tuple[UnknownMedium, ...]], Awaitable[Mapping[str, float | None]]]
"""Returns the durations of sounds for which a page asks, by render id."""


class Reached(Struct, frozen=True):
    """The frame that a page was brought to; ``moved`` is true if anything moved, ``still`` if the picture cannot have changed."""

    frame: int
    moved: bool
    still: bool


class PageSession:
    """One open composition. Get it from `open_page`; every method runs on the browser thread's loop."""

    def __init__(
        self,
        chromium: Chromium,
        page: Page,
        cdp: CDPSession,
        settings: PageSettings,
        fps: Fraction,
        site: Site,
        network: Network | None = None,
        *,
        in_profile: bool = False,
    ) -> None:
        self.chromium = chromium
        self._in_profile = in_profile
        self.settings = settings
        self.fps = fps
        self.site = site
        self.log = PageLog(hosted=self.hosted)
        self.network = network
        self.videos: VideoFeed | None = None
        self.may_have_new_text = True
        self._damaged = False
        self._look: LookIntoVideos | None = None
        self._listen: LookIntoSounds | None = None
        self._videos_open = False
        self._page = page
        self._cdp = cdp
        self.host: Host | None = None
        self._contexts: dict[str, str] = {}  # of the scripts of frames, by the frame's id
        self._frame = ""  # id of the composition's frame in the host's document
        self._debugger = Debugger(cdp)
        self._deadline = Deadlines(chromium, self.log, network, self._debugger).within
        self.log.attach(page, cdp)
        page.on("crash", self._on_crash)

    def _on_crash(self, _: Page) -> None:
        # Playwright does not end calls that wait for the page.
        hint = " (captured from a canvas; if it happens again, use capture='beginframe')" if self.hosted else ""
        self.chromium.processes.lose(f"the process of its page{hint}")

    @property
    def in_flight(self) -> int:
        """Number of requests without an answer."""
        return max(0, self.log.in_flight) + (len(self.network.pending) if self.network else 0)

    async def debug(self) -> None:
        """Enable a debugger, so that a time-out names the running script. It reports every evaluation, which costs speed."""
        async with browser_call("it has no debugger", Patience.open):
            await self._debugger.enable()

    def prepare_videos(self, shapes: Mapping[str, VideoShape]) -> VideoFeed:
        """Set the sizes and lengths of the page's videos, by render id, before `load`; return the feed of pictures."""
        self.videos = VideoFeed(shapes)
        return self.videos

    def look_into_videos(self, look: LookIntoVideos) -> None:
        """Let `load` call ``look`` for the shapes of videos as the page adds them. Their pictures cannot be shown."""
        self._look = look

    def look_into_sounds(self, listen: LookIntoSounds) -> None:
        """Let `load` call ``listen`` for the durations of sounds as the page adds them."""
        self._listen = listen

    async def answer_for_media(self, status: Status) -> bool:
        """Give a page that loads what it asks of its videos and sounds; return false if it asks nothing."""
        if status.videos and not self._videos_open:
            await self._open_videos()
        elif status.videos and self._look is not None:
            shapes = told_shapes(await self._look(status.videos))
            await self.evaluate(f"__hfdask.knowVideos({json.dumps(shapes)})")
        elif status.sounds and self._listen is not None:
            await self._tell_durations(await self._listen(status.sounds))
        else:
            return False
        return True

    async def _open_videos(self) -> None:
        """Open the page's videos. Also without a plan for them: the page is not loaded before they show something."""
        self._videos_open = True
        feed = self.videos = self.videos or VideoFeed({})
        profile = self.chromium.profile if self._in_profile else None
        setup = feed.setup(video_worker(), file=profile is not None, asks=self._look is not None)
        answer = await self.evaluate(f"__hfdask.prepareVideos({setup})")
        opened = understood(answer, OpenedSlots, "its videos")
        if profile is not None and opened.file and await asyncio.to_thread(feed.slots.map_file, profile.folder):
            return
        self.site.shared = feed.slots.serve()
        await self.evaluate("__hfdask.serveVideos()")

    async def load(self, entry: str) -> Loaded:
        """Open the entry document and wait until it is ready (docs/compositions.md, 8.1).

        Raises
        ------
        RootNotFoundError, EmptyCompositionError, ScriptError, PageTimeoutError, BrowserCrashError
        """
        async with self._deadline(self.settings.load_timeout, f"{entry} did not become ready"):
            await (self._load_hosted if self.hosted else self._go_to)(f"/{quote(entry)}")
            loaded = await until_ready(self, entry)
            self.log.set_waits([])
            if self.videos is not None and not self._videos_open:
                await self._open_videos()
            await self.evaluate("__hfdask.settle()")
            await self.pump(2)
            self.check((await self.status()).problems, "while it settled at time 0")
        return loaded

    @property
    def hosted(self) -> bool:
        """True if the composition is in a frame of a host's document, whose canvas gives its pictures."""
        return self.settings.capture_mode == "canvas"

    async def _go_to(self, path: str, until: Literal["commit", "domcontentloaded"] = "commit") -> None:
        await self._page.goto(ORIGIN + path, wait_until=until, timeout=0)

    async def _load_hosted(self, path: str) -> None:
        self._cdp.on("Runtime.executionContextCreated", self._on_context)
        self._cdp.on("Runtime.executionContextsCleared", lambda _: self._contexts.clear())
        await self._cdp.send("Runtime.enable")
        await self._go_to(HOST_PAGE, "domcontentloaded")
        self.host = Host(self._cdp, (self.settings.width, self.settings.height), self.settings.pixels)
        assert self.chromium.profile is not None  # a browser of this mode has one
        await self.host.open(path, self.chromium.profile.folder, strips=self.settings.strips)
        await self.host.call("load")
        # The frame's first, empty document is left alone: a script of ours would make the browser keep its window.
        while not any(frame.url.startswith(ORIGIN) for frame in self._page.main_frame.child_frames):
            await self.pump(1)
            await asyncio.sleep(0.002)
        tree = (await self._cdp.send("Page.getFrameTree"))["frameTree"]
        self._frame = tree["childFrames"][0]["frame"]["id"]

    def _on_context(self, event: dict[str, Any]) -> None:
        about = event["context"].get("auxData", {})
        if about.get("isDefault"):
            self._contexts[about["frameId"]] = event["context"]["uniqueId"]

    async def status(self) -> Status:
        """Return the state of the page, within a deadline."""
        return understood(await self.evaluate("__hfdask.status()"), Status, "its state")

    async def report(self) -> Report:
        """Return the resolved timeline."""
        async with self._deadline(self.settings.load_timeout, "the page did not report its timeline"):
            report = understood(await self.evaluate("__hfdask.report()"), Report, "its timeline")
            self.check(report.problems, "while it resolved its timeline")
        return report

    async def told_media(self) -> AllMedia:
        """Return the videos and ``<audio>`` elements with a source as they are now, the groups, and the root."""
        async with self._deadline(self.settings.frame_timeout, "the page did not report its videos and sounds"):
            answer = await self.evaluate("__hfdask.media()")
        return understood(answer, AllMedia, "its videos and sounds", exactly=True)

    async def changed_volumes(self) -> frozenset[str]:
        """Return the render ids of the media whose volume a script has set since the page was ready."""
        async with self._deadline(self.settings.frame_timeout, "the page did not report its volumes"):
            answer = await self.evaluate("__hfdask.changedVolumes()")
        return frozenset(understood(answer, MediaIds, "its volumes", exactly=True))

    async def volumes_at(self, frames: Sequence[int], names: Sequence[str]) -> tuple[tuple[float | None, ...], ...]:
        """Go to some frames, and return the volumes of media at each of them, in the order of ``names``.

        Raises
        ------
        ScriptError
            If author code failed, unless the plan only warns of that.
        """
        seconds = self.settings.frame_timeout * len(frames)
        async with self._deadline(seconds, f"frames {frames[0]} to {frames[-1]} were not reached"):
            answer = await self.evaluate(f"__hfdask.volumesAt({json.dumps([list(frames), list(names)])})")
        volumes = understood(answer, Volumes, "its volumes")
        self.check(volumes.problems, f"between frame {frames[0]} and frame {frames[-1]}")
        return volumes.rows

    async def know_durations(self, durations: Mapping[str, float]) -> None:
        """Give the page the durations of the sources of its media in seconds, by render id; see `PageSettings.durations`."""
        async with self._deadline(self.settings.frame_timeout, "the page did not take the durations of its media"):
            await self._tell_durations(durations)

    async def _tell_durations(self, durations: Mapping[str, float | None]) -> None:
        await self.evaluate(f"__hfdask.knowDurations({json.dumps(dict(durations))})")

    async def scenes_on(self) -> frozenset[str]:
        """Return the render ids of videos without a start whose scene can be seen at the frame that was sought last."""
        async with self._deadline(self.settings.frame_timeout, "the page did not report which videos can be seen"):
            answer = await self.evaluate("__hfdask.scenesOn()")
        return frozenset(understood(answer, MediaIds, "its videos", exactly=True))

    async def sight(self) -> PageParts:
        """Return the parts of the page for content keys; call it when all frames have been sought."""
        async with self._deadline(self.settings.load_timeout, "the page did not report its parts"):
            parts = await self.evaluate("__hfdask.sight()")
        sight = understood(parts, PageParts, "its parts", exactly=True)
        return msgspec.structs.replace(sight, served=tuple(sorted(self.site.served)))

    async def unfit(self) -> tuple[str, ...]:
        """Return the content of the page that a capture from a canvas would draw wrong, in words."""
        return await self._content("unfit")

    async def is_simple(self) -> bool:
        """Return true if a canvas draws the page faster in strips."""
        async with self._deadline(self.settings.frame_timeout, "the page did not report its content"):
            return await self.evaluate("__hfdask.isSimple()") is True

    async def draw_in_strips(self) -> None:
        """Draw the next pictures of a hosted page in strips."""
        assert self.host is not None
        async with self._deadline(self.settings.frame_timeout, "the page did not answer its host"):
            await self.host.draw_in_strips()
        self.settings = msgspec.structs.replace(self.settings, strips=True)

    async def seek(self, frame: int, *, videos: Mapping[str, Shown] | None = None) -> bool:
        """Bring the page to a frame of the absolute timeline; return true if anything moved.

        ``videos`` has the state of each video by render id; call `prepare_videos` before. A video without a state shows
        nothing.

        Raises
        ------
        ScriptError
            If author code failed, unless the plan only warns of that.
        """
        answer = await self.evaluate(f"__hfdask.frame({json.dumps(_asked(frame, videos))})")
        return await self._finish_seek(frame, answer, videos)

    async def seek_through(self, frames: range, *, layout: bool = False) -> Reached:
        """Bring the page to the first of these frames, and on to the others as long as the picture cannot change.

        A picture cannot change if nothing moved, no code of the page ran, and no canvas or frame is in it. With ``layout`` the page is
        laid out at once, so that it loads what it shows without a frame of the compositor.

        Raises
        ------
        ScriptError
            If author code failed, unless the plan only warns of that.
        """
        expression = f"__hfdask.frames([{frames.start}, {frames.stop}])"
        if layout:
            expression = f"(async () => {{ const answer = await {expression}; document.documentElement.offsetHeight; return answer }})()"
        passed = understood(await self.evaluate(expression), Passed, f"frame {frames.start}")
        if passed.number not in frames:
            raise ScriptError(f"the page reported frame {passed.number} instead of {frames.start} to {frames[-1]}")
        return Reached(passed.number, await self._finish_seek(passed.number, passed.answer, None), passed.still)

    async def seek_for(self, shot: Shot, frame: int, *, must: bool, videos: Mapping[str, Shown] | None) -> bool:
        """Do the same in a hosted page and draw it; return true if a picture will be in the slot of ``shot``.

        With ``must`` there is a picture even if nothing changed.
        """
        while (armed := await self._settled(shot.seek(_asked(frame, videos), must))).unpainted:
            await self.pump(1)
            await asyncio.sleep(0.001)
        return await self.finish_for(shot, frame, armed, must=must, videos=videos)

    async def finish_for(
        self, shot: Shot, frame: int, armed: Armed, *, must: bool, videos: Mapping[str, Shown] | None
    ) -> bool:
        """Do what is left after the page's first answer to such a seek; return the same."""
        changed = await self._finish_seek(frame, armed.answer, videos)
        needed = armed.needed if armed.armed else await shot.arm(must or changed)
        await (self.rest() if armed.plain and videos is None else self.pump(1))
        return needed or await shot.is_painted()

    async def _finish_seek(self, frame: int, answer: Any, videos: Mapping[str, Shown] | None) -> bool:
        sought = self._sought(answer, frame)
        if videos is not None and self.videos is not None:
            self.videos.release(videos)
        changed, late = sought.changed, sought.late
        for _ in range(_OPPORTUNITIES):
            if not sought.observed:
                break
            await self.rest()
            sought = self._sought(await self.evaluate("__hfdask.rest()"), frame)
            changed, late = True, late or (videos is not None and not self.hosted)
        if late:
            await self._draw_late()
        return changed

    async def _draw_late(self) -> None:
        """Draw the page so that its next picture has the newest frames of all videos (`runtime/video-feed.js`)."""
        await self._draw()
        await self.evaluate("__hfdask.passVideos()")
        await self._draw()

    async def show_videos(self, videos: Mapping[str, Shown]) -> None:
        """Show other pictures of the videos at the frame that was sought last. No script of the page runs."""
        told = json.dumps({name: shown.told() for name, shown in videos.items()})
        late = await self.evaluate(f"__hfdask.showVideos({told})")
        if self.videos is not None:
            self.videos.release(videos)
        if late:
            await self._draw_late()

    async def video_place(self, name: str) -> Place:
        """Return the place of a video's picture, by its render id, with all transforms, ``object-fit`` and ``object-position``."""
        asked = json.dumps(name)
        told = understood(await self.evaluate(f"__hfdask.pictureBox({asked})"), PictureBox, "the box of a video")
        found = await self._cdp.send("Runtime.evaluate", self.in_page(f"__hfdask.videoNamed({asked})"))
        element = found["result"].get("objectId")
        if told.edges is None or element is None:
            return NOWHERE
        try:
            model = await self._cdp.send("DOM.getBoxModel", {"objectId": element})
        except PlaywrightError as error:
            if "box model" not in error.message:
                raise
            return NOWHERE
        finally:
            await self._cdp.send("Runtime.releaseObject", {"objectId": element})
        scale = float(self.settings.scale.fraction)
        x0, y0, x1, y1, x2, y2, x3, y3 = (float(each) * scale for each in model["model"]["content"])
        return Place((x0, y0, x1, y1, x2, y2, x3, y3), told.edges, told.snaps)

    async def unlike_hdr(self) -> tuple[str, ...]:
        """Return the content of the page that looks different in HDR, in words."""
        return await self._content("unlikeHdr")

    async def _content(self, name: str) -> tuple[str, ...]:
        async with self._deadline(self.settings.frame_timeout, "the page did not report its content"):
            answer = await self.evaluate(f"__hfdask.{name}()")
        return understood(answer, Sentences, "its content")

    async def _draw(self) -> None:
        """Let the compositor draw a frame without a picture."""
        await (self.pump(1) if self.chromium.draws_on_request else self.evaluate("__hfdask.drawn()"))

    def _sought(self, answer: Any, frame: int) -> Sought:
        if isinstance(answer, bool):
            return Sought((), answer, False)
        sought = understood(answer, Sought, f"frame {frame}")
        self.may_have_new_text |= sought.text
        self.check(sought.problems, f"at frame {frame}")
        return sought

    async def rest(self) -> None:
        """Lay out the page as for a frame, which calls its observers, without drawing it."""
        if self.chromium.draws_on_request:
            await self._hold()
            await begin_frame(self._cdp, self.chromium, screenshot=None, draw=False)
        else:
            await self.evaluate("__hfdask.drawn()")

    async def finish(self) -> None:
        """Check a page after its last frame, for late errors and missing files.

        Raises
        ------
        ScriptError
        AssetError
            Names the URL, and what asked for it, of each file that the picture lacks. A font that no text asks for is
            not missed.
        FontUnreadableError
            If a font cannot be decoded, and no other source of its face can.
        """
        async with self._deadline(self.settings.frame_timeout, "the page did not answer at its end"):
            self.check((await self.status()).problems, "after the last frame")
        if self.network is not None:
            self.network.check()
        lost = refusals_of(self.site.misses) + self.log.failed + (self.network.refusals if self.network else [])
        for each in lost:
            if not each.shows:
                self.log.add(f"not in the project: {described(self.log, each)}")
        serious = [each for each in lost if each.shows]
        if self.log.unreadable or any(each.kind == "font" for each in serious):
            faces = await self._broken_faces()
            unused = {url for face in faces if not face.used for url in face.urls}
            serious = [each for each in serious if each.kind != "font" or each.url not in unused]
            unreadable = {url for face in faces if face.used for url in face.urls} & self.log.unreadable
            if unreadable and not serious:
                raise unreadable_error(unreadable)
        if serious:
            raise asset_error(self.log, serious, await self._elements([each.url for each in serious[:_MAX_ASKED]]))

    async def _broken_faces(self) -> BrokenFaces:
        async with self._deadline(self.settings.frame_timeout, "the page did not report its broken fonts"):
            answer = await self.evaluate("__hfdask.brokenFaces()")
        return understood(answer, BrokenFaces, "its fonts")

    async def _elements(self, urls: list[str]) -> dict[str, str]:
        async with self._deadline(self.settings.frame_timeout, "the page did not report which elements miss files"):
            answer = await self.evaluate(f"__hfdask.elements({json.dumps(urls)})")
        return understood(answer, Elements, "its elements")

    async def drain(self, patience: float, abandoned: list[str] | None = None) -> None:
        """Wait until no request is in flight, up to ``patience`` seconds.

        With ``abandoned``, also wait for pictures, fonts and short timers of the page, except for those in the list.
        """
        began = time.monotonic()
        quiet = 0
        async with self._deadline(patience + self.settings.frame_timeout, "the page did not answer while it loaded"):
            while quiet < QUIET_LOOKS and (elapsed := time.monotonic() - began) < patience:
                await self.pump(1)
                waits: set[str] = set()
                if abandoned is not None:
                    status = await self.status()
                    self.check(status.problems, "after the last frame")
                    waits = set(status.waiting) - {
                        *abandoned,
                        *given_up(self.settings, status.waiting, elapsed, elapsed),
                    }
                quiet = 0 if self.in_flight or waits else quiet + 1
                await asyncio.sleep(0.01)

    def check(self, problems: Sequence[str], when: str) -> None:
        """Note errors of author code, and raise `ScriptError` for them, unless the plan only warns."""
        for problem in problems:
            self.log.add(f"uncaught {when}: {problem}")
        if problems and self.settings.page_errors == "raise":
            shown = [redact_text(problem) for problem in problems[:5]]
            raise ScriptError(
                f"a script failed {when}: {shown[0]}; fix it, or render with page_errors='warn'", problems=shown
            )

    async def send(self, method: str, parameters: dict[str, Any] | None = None) -> dict[str, Any]:
        """Send a command of the DevTools protocol to the page; use it within a deadline."""
        answer: dict[str, Any] = all_well_formed(await self._cdp.send(method, parameters))
        return answer

    async def collect_garbage(self) -> None:
        """Free the recordings of drawn pictures. They hold what canvases showed, of whose size the browser's own collection knows nothing."""
        await self.send("HeapProfiler.collectGarbage")

    async def drop_decoded(self) -> None:
        """Let the browser free pictures of videos that it has decoded for a canvas. By itself it keeps half a gigabyte."""
        await self.send("Memory.simulatePressureNotification", {"level": "critical"})

    def deadline_for_fonts(self) -> contextlib.AbstractAsyncContextManager[None]:
        """Limit the time of questions about the page's text."""
        return self._deadline(self.settings.frame_timeout, "the page did not report its fonts")

    def in_page(self, expression: str) -> dict[str, Any]:
        """Return parameters of ``Runtime.evaluate`` to evaluate an expression in the composition's document.

        Raises
        ------
        ScriptError
            If the document is gone.
        """
        if not self.hosted:
            return {"expression": expression}
        if self._frame not in self._contexts:
            raise ScriptError("the page is not there any more")
        return {"expression": expression, "uniqueContextId": self._contexts[self._frame]}

    async def evaluate(self, expression: str) -> Any:
        """Evaluate an expression in the composition's document, within a deadline; return its value, or what it promises."""
        asked = {**self.in_page(expression), "awaitPromise": True, "returnByValue": True}
        answer = await self._settled(self._cdp.send("Runtime.evaluate", asked))
        if "exceptionDetails" in answer:
            detail = answer["exceptionDetails"]
            text = str(detail.get("exception", {}).get("description") or detail.get("text"))
            raise ScriptError(f"the page runtime failed: {legible(text)[:2000]}", expression=expression[:200])
        return answer["result"].get("value")

    async def _settled(self, call: Coroutine[Any, Any, T]) -> T:
        """Wait for the answer to a call, which may need frames of the compositor."""
        evaluation = asyncio.ensure_future(call)
        try:
            while not (await asyncio.wait({evaluation}, timeout=0.1))[0]:
                await self.pump(1)
        except BaseException:
            evaluation.cancel()
            raise
        return evaluation.result()

    async def pump(self, frames: int) -> None:
        """Request some frames, if the compositor only draws on request."""
        if self.chromium.draws_on_request:
            await self._hold()
            for _ in range(frames):
                await self.begin_frame(screenshot=False)

    async def _hold(self) -> None:
        """Let no frame of the compositor be taken for the frame that a walk waits for."""
        if self.host is not None:
            await self.host.hold()

    async def step(self, *, shows: bool = True) -> None:
        """Request the frame of the compositor that a walk waits for; unless ``shows``, the page is not displayed."""
        await begin_frame(self._cdp, self.chromium, screenshot=None, draw=shows)

    async def begin_frame(self, *, screenshot: bool) -> dict[str, Any]:
        """Request a frame of the compositor; with ``screenshot``, the answer's ``screenshotData`` is a base64 PNG."""
        picture = {"format": "png", "optimizeForSpeed": True} if screenshot else None
        answer = await begin_frame(self._cdp, self.chromium, screenshot=picture)
        self._damaged |= bool(answer["hasDamage"])
        return answer

    def take_damage(self) -> bool:
        """Return true if a frame of the compositor saw a change since the last call; frames that `pump` requested count."""
        damaged, self._damaged = self._damaged, False
        return damaged

    async def screenshot(self) -> str:
        """Return a base64 PNG of the viewport, in a browser that draws by itself."""
        clip = {"x": 0, "y": 0, "width": self.settings.width, "height": self.settings.height, "scale": 1}
        answer = await self._cdp.send(
            "Page.captureScreenshot", {"format": "png", "clip": clip, "optimizeForSpeed": True}
        )
        return str(answer["data"])

    def deadline_for_frame(self, frame: int, last: int | None = None) -> contextlib.AbstractAsyncContextManager[None]:
        """Limit the time of one frame, or of `seek_through` from it to the last."""
        late = f"frame {frame} was" if last in (None, frame) else f"one of the frames {frame} to {last} was"
        return self._deadline(self.settings.frame_timeout, f"{late} not drawn")


def _asked(frame: int, videos: Mapping[str, Shown] | None) -> Any:
    """Return the argument of ``__hfdask.frame``."""
    return frame if videos is None else [frame, {name: shown.told() for name, shown in videos.items()}]
