"""A short video is planned, rendered and joined in one go, from one page, with the bytes of a render in three steps."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from samples import BOX, paced
from short_videos import Rows, loads, long_way
from sound_samples import tone, write_sound
from video_samples import bar_code_video, cached

import hfdask
from hfdask import errors
from hfdask.checking.page import LintPage
from hfdask.config import RenderConfig
from hfdask.core.observer import Observer
from hfdask.rendering.film import is_short

pytestmark = pytest.mark.usefixtures("fake_browser")


def page(body: str, *, seconds: float = 0.4, attributes: str = "") -> str:
    return (
        f'<div id="root" data-composition-id="c" data-width="320" data-height="90" data-duration="{seconds}" '
        f"data-no-timeline {attributes}>{body}</div>"
    )


TITLE = page(
    '<div class="clip" data-start="0" data-duration="0.4" id="title" style="font: 30px Arial"></div>'
    "<script>title.textContent = __hyperframes.getVariables().title</script>",
    attributes="""data-composition-variables='[{"id": "title", "type": "string", "label": "T", "default": "x"}]'""",
)


def test_a_short_video_takes_one_page_and_has_the_bytes_of_the_long_way(project, tmp_path):
    source = project()
    whole = long_way(source, tmp_path)
    with loads() as entries:
        video = Rows(source, tmp_path).render()
    assert entries == ["index.html"]
    assert (tmp_path / "short.mp4").read_bytes() == (tmp_path / "long.mp4").read_bytes()
    same = ("plan_hash", "digest", "frames", "static_frames", "seams", "size", "warnings")
    assert [getattr(video, name) for name in same] == [getattr(whole, name) for name in same]
    assert {"probe", "capture", "encode", "assemble", "total"} <= video.stages.keys()
    [short], [long] = video.chunks, whole.chunks
    assert (short.sha256, short.key, short.reused) == (long.sha256, long.key, False)


def test_a_short_video_leaves_nothing_but_itself(project, tmp_path):
    rows = Rows(project(), tmp_path / "rows")
    rows.render()
    assert {path.name for path in rows.folder.iterdir()} == {"frozen", "short.mp4"}


def test_a_longer_video_is_planned_without_a_second_page(project, tmp_path):
    source = project()
    rows = Rows(source, tmp_path)
    with loads() as entries:
        plan = rows.either("short.mp4", limit=29, chunk_size=10)
    assert isinstance(plan, hfdask.Plan)
    assert entries == ["index.html"]
    assert not (tmp_path / "short.mp4").exists()
    assert plan.hash == hfdask.plan(source, tmp_path / "other", chunk_size=10).hash
    chunks = [hfdask.render_chunk(plan.url, index, plan.chunk_url(index)) for index in range(3)]
    assert hfdask.assemble(plan.url, chunks, tmp_path / "out.mp4").digest == rows.render(limit=30).digest


@pytest.mark.parametrize("limit", [0, 3601])
def test_a_limit_that_no_chunk_can_have_is_refused(limit, project, tmp_path):
    with pytest.raises(errors.InvalidConfigError, match="limit must be"):
        Rows(project(), tmp_path).either("short.mp4", limit=limit)


def test_videos_with_source_videos_are_rendered_as_any_chunk(project, tmp_path):
    film = cached(bar_code_video, "film.mp4", 15, size=(64, 32)).read_bytes()
    source = project(page('<video id="v" muted src="film.mp4" data-start="0"></video>'), **{"film.mp4": film})
    long_way(source, tmp_path)
    with loads() as entries:
        Rows(source, tmp_path).render()
    assert entries == ["index.html"] * 2
    assert (tmp_path / "short.mp4").read_bytes() == (tmp_path / "long.mp4").read_bytes()


def test_pages_that_ask_other_sites_are_rendered_as_any_chunk(project, tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "a.js").write_text("")
    source = project(page('<script src="https://site.test/a.js"></script>'))
    replaced: dict[str, Any] = {"replace_urls": {"https://site.test/": str(tmp_path / "site")}}
    long_way(source, tmp_path, **replaced)
    with loads() as entries:
        Rows(source, tmp_path).render(**replaced)
    assert entries == ["index.html"] * 2
    assert (tmp_path / "short.mp4").read_bytes() == (tmp_path / "long.mp4").read_bytes()


@pytest.mark.browser
def test_a_short_video_can_have_sound(project, tmp_path):
    write_sound(tmp_path / "tone.wav", tone(440, 0.4))
    sound = (tmp_path / "tone.wav").read_bytes()
    source = project(page('<audio id="a" src="tone.wav" data-start="0.1"></audio>'), **{"tone.wav": sound})
    long_way(source, tmp_path)
    with loads() as entries:
        video = Rows(source, tmp_path).render()
    assert entries == ["index.html"]
    assert video.sound is not None
    assert (tmp_path / "short.mp4").read_bytes() == (tmp_path / "long.mp4").read_bytes()


@pytest.mark.browser
@pytest.mark.slow
def test_rows_have_their_own_fonts_texts_and_storage(project, tmp_path):
    """The second row needs fonts that the first one does not have, and would show what the first one has stored."""
    script = (
        "<script>const { title } = __hyperframes.getVariables();"
        "const seen = [localStorage.seen, document.cookie].join('');"
        "localStorage.seen = document.cookie = 'seen';"
        "document.querySelector('#title').textContent = title + seen;"
        "if (title.length > 3) document.querySelector('#title').style.fontFamily = 'Courier New'</script>"
    )
    source = project(TITLE.partition("<script>")[0] + script + "</div>")
    rows = Rows(source, tmp_path)
    titles = ["abc", "longer \u00e9\u0416"]
    with loads() as entries:
        videos = [rows.render(f"{title}.mp4", variables={"title": title}) for title in titles]
    assert len(entries) == 2
    assert videos[0].digest != videos[1].digest
    for title, video in zip(titles, videos, strict=True):
        alone = long_way(source, tmp_path / title, variables={"title": title})
        assert video.plan_hash == alone.plan_hash
        assert rows.bytes_of(f"{title}.mp4") == (tmp_path / title / "long.mp4").read_bytes()
    fonts = [
        {font.sha256 for font in hfdask.Plan.open(tmp_path / title / "long").manifest.fonts.files} for title in titles
    ]
    assert fonts[1] - fonts[0]


@pytest.mark.browser
def test_a_page_that_keeps_state_is_filmed_as_a_chunk_renders_it(project, tmp_path):
    """A square grows at every frame that is shown; planning must not have shown any frame before the picture of it."""
    grows = "<script>addEventListener('hf-seek', () => { box.style.width = box.offsetWidth + 4 + 'px' })</script>"
    source = project(page(f'<div id="box" style="width:4px;height:40px;background:#c33"></div>{grows}'))
    whole = long_way(source, tmp_path)
    with loads() as entries:
        assert Rows(source, tmp_path).render().digest == whole.digest
    assert entries == ["index.html"]
    assert whole.static_frames == 0


ERRORS = {
    "script": page(
        "<script>addEventListener('hf-seek', (e) => { if (e.detail.time > 0.2) throw new Error('late') })</script>"
    ),
    "missing": page('<img src="missing.png">'),
    "root": "<p>no composition</p>",
}


@pytest.mark.browser
@pytest.mark.parametrize(
    "name", ["script", *(pytest.param(name, marks=pytest.mark.slow) for name in ("missing", "root"))]
)
def test_errors_are_those_of_the_long_way(name, project, tmp_path):
    source = project(ERRORS[name])
    found = []
    for render in (lambda: long_way(source, tmp_path), Rows(source, tmp_path).render):
        with pytest.raises(errors.ProjectError) as raised:
            render()
        found.append((type(raised.value), raised.value.message, getattr(raised.value, "__notes__", [])))
    assert found[0] == found[1]
    assert not (tmp_path / "short.mp4").exists()


@pytest.mark.browser
@pytest.mark.slow
def test_a_film_that_hangs_names_the_script(project, tmp_path):
    hanging = "addEventListener('hf-seek', (event) => { while (event.detail.time > 0.15) {} })"
    rows = Rows(project(page(f"<p>hangs</p><script>\n{hanging}</script>")), tmp_path)
    with loads() as entries, pytest.raises(errors.PageTimeoutError, match=r"frame 5 .* script at index\.html:2 "):
        rows.render(frame_timeout=2)
    assert entries == ["index.html", "index.html"]  # the second one has a debugger


@pytest.mark.browser
@pytest.mark.slow
def test_documents_are_read_once_and_values_for_each_row(monkeypatch, project, tmp_path):
    inspected: list[str] = []
    inspect = LintPage.inspect

    def counted(self: LintPage, html: str, **options: Any) -> dict[str, Any]:
        inspected.append(html)
        return inspect(self, html, **options)

    monkeypatch.setattr(LintPage, "inspect", counted)
    rows = Rows(project(TITLE), tmp_path)
    given = [{"title": "one"}, {"title": 2}, {"name": "three"}]
    codes = [{each.code for each in rows.render(variables=values).findings} for values in given]
    assert len(inspected) == 1
    assert codes[1] - codes[0] == {"variable_type_mismatch"}
    assert codes[2] - codes[0] == {"undeclared_variable"}
    strict = Rows(project(TITLE + "<p>"), tmp_path / "changed").render(variables=given[0])
    assert len(inspected) == 2  # another content, another check
    assert {each.code for each in strict.findings} == codes[0]


class Stopped(Observer):
    def __init__(self) -> None:
        self.frames: list[tuple[int, int]] = []

    def progress(self, done: int, total: int) -> None:
        self.frames.append((done, total))

    def cancelled(self) -> bool:
        return len(self.frames) > 4


def test_a_cancelled_short_video_ends_at_once(project, tmp_path):
    observer = Stopped()
    with pytest.raises(errors.RenderCancelledError):
        Rows(project(paced(5)), tmp_path).render(observer=observer)
    assert observer.frames == [(done, 30) for done in range(1, 6)]
    assert not (tmp_path / "short.mp4").exists()


def test_render_films_a_video_of_one_chunk(project, tmp_path):
    source = project()
    whole = long_way(source, tmp_path)
    with loads() as entries:
        video = hfdask.render(source, tmp_path / "out.mp4", chunk_size=30)
    assert entries == ["index.html"]
    assert video.digest == whole.digest
    assert [chunk.reused for chunk in video.chunks] == [False]
    assert (tmp_path / "out.mp4").read_bytes() == (tmp_path / "long.mp4").read_bytes()


def test_a_plan_that_is_kept_is_not_filmed(project, tmp_path):
    with loads() as entries:
        hfdask.render(project(), tmp_path / "out.mp4", plan_dir=tmp_path / "plan", chunk_size=30)
    assert len(entries) == 2


def test_render_shares_a_video_of_several_chunks(project, tmp_path):
    with loads() as entries:
        video = hfdask.render(project(), tmp_path / "out.mp4", chunk_size=15)
    assert len(entries) == 3
    assert len(video.chunks) == 2


def test_finished_chunks_of_an_interrupted_render_are_used(project, tmp_path):
    source = project()
    plan = hfdask.plan(source, tmp_path / ".hfdask" / "out.mp4", chunk_size=30)
    hfdask.render_chunk(plan.url, 0, plan.chunk_url(0))
    video = hfdask.render(source, tmp_path / "out.mp4", chunk_size=30)
    assert [chunk.reused for chunk in video.chunks] == [True]


def test_a_certified_film_can_be_verified(project, tmp_path):
    source = project(BOX)
    video = hfdask.render(source, tmp_path / "out.mp4", chunk_size=30, certificate=True)
    plan = hfdask.plan(source, tmp_path / "plan", chunk_size=30)
    assert plan.hash == video.plan_hash
    assert hfdask.verify(tmp_path / "out.mp4", plan_url=plan.url).frames == 30


def test_a_short_result_is_sent_as_any_other(project, tmp_path):
    video = Rows(project(), tmp_path).render()
    assert msgspec.json.decode(msgspec.json.encode(video), type=hfdask.RenderResult) == video


@pytest.mark.parametrize(("workers", "most"), [(1, 300), (2, 300), (4, 85), (16, 51)])
def test_the_more_slots_the_shorter_is_a_film(workers, most):
    options = RenderConfig(workers=workers)
    assert is_short(options, most)
    assert not is_short(options, most + 1)


def test_a_film_is_not_taken_of_a_video_for_which_chunks_are_asked():
    assert not is_short(RenderConfig(workers=2, chunk_size=30), 60)
    assert is_short(RenderConfig(workers=2, chunk_size=60), 60)
