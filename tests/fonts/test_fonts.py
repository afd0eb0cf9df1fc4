"""Plans carry the fonts that their pages use, and are drawn with these alone, on whatever machine."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner
from font_samples import build_font, canonical_fonts, configuration, machine, machine_folder
from fontTools.ttLib import TTFont
from samples import REPOSITORY

import hfdask
from hfdask.browser import browser_thread
from hfdask.browser.capture import capture
from hfdask.browser.page_opening import open_page
from hfdask.cli import main
from hfdask.core.model import FontSet, Manifest, decode
from hfdask.core.results import FrameRecord
from hfdask.errors import FontInstallError, InvalidConfigError, MissingArtifactError, MissingGlyphError, SystemFontError
from hfdask.fonts import install as fontpack
from hfdask.fonts.configuration import FontSetup, _machine_fonts, machine_fonts, plan_fonts
from hfdask.fonts.families import CANONICAL
from hfdask.store import Store, materialised, object_name

pytestmark = pytest.mark.browser

THIS_MACHINE = os.environ.get("FONTCONFIG_FILE")


@pytest.fixture(scope="module")
def fonts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fonts")
    machine_folder(folder / "machine")
    canonical_fonts(folder / "canonical")
    return folder


@pytest.fixture(scope="module", autouse=True)
def _machine(fonts: Path) -> Iterator[None]:
    with machine(configuration(fonts / "fonts.conf", fonts / "machine"), fonts / "canonical"):
        yield


def page(body: str, style: str = "", seconds: float = 0.3) -> str:
    return (
        f"<style>{style}</style><div id=root data-composition-id=main data-width=160 data-height=90 "
        f"data-duration={seconds} data-no-timeline style='background:#fff'>{body}</div>"
    )


TEXTS = """<p class=clip data-start=0 data-duration=0.2 style="font:20px serif">serif →</p>
<p class=clip data-start=0.2 data-duration=0.1 style="font:800 20px Helvetica">sans 日本</p>
<p style="font:20px 'No Such Font', 'House Font';animation:go 0.3s linear both">house</p>
<canvas width=90 height=20 style="position:absolute;bottom:0"></canvas>
<script>const c = document.querySelector("canvas").getContext("2d"); c.font = "12px ui-monospace"; c.fillText("mono", 2, 15)</script>
<style>@keyframes go { to { letter-spacing: 5.3px } }</style>"""


def digests(plan: hfdask.Plan, folder: Path) -> list[str]:
    found: list[str] = []
    for chunk in plan.manifest.chunks:
        result = hfdask.render_chunk(plan.url, chunk.index, folder / f"{chunk.index}.mp4", redo=True)
        found += record(folder, chunk.index)
        assert result.frames == chunk.frames
    return found


def record(folder: Path, index: int) -> tuple[str, ...]:
    return decode((folder / f"{index}.mp4.frames.json").read_bytes(), FrameRecord, "record").digests


def families(plan: hfdask.Plan) -> list[tuple[str, bool]]:
    return [(font.family, font.canonical) for font in plan.manifest.fonts.files]


@pytest.fixture(scope="module")
def texts(_machine: None, tmp_path_factory: pytest.TempPathFactory) -> hfdask.Plan:
    """A plan of `TEXTS`, which tests only read."""
    folder = tmp_path_factory.mktemp("texts")
    (folder / "index.html").write_text(f"<!doctype html><html><body>{page(TEXTS)}</body></html>", "utf-8")
    return hfdask.plan(folder, folder.parent / f"{folder.name}-plan")


def test_a_plan_carries_exactly_the_fonts_that_its_page_uses(texts):
    assert sorted(families(texts)) == [
        *(("DejaVu Sans", False), ("House Font", False), ("Inter", True), ("Kanji Font", False)),
        *(("Liberation Mono", False), ("Liberation Serif", False)),
    ]
    [inter] = [font for font in texts.manifest.fonts.files if font.canonical]
    assert inter.name == "inter-900.ttf"
    for font in texts.manifest.fonts.files:
        assert Store(texts.url).size(object_name(font.sha256)) == font.size


MEASURED = """<p style="font:20px Inter">text</p><script>
addEventListener("hf-seek", () => {
  const ruler = document.createElement("div");
  ruler.style.cssText = "position:absolute;visibility:hidden";
  ruler.innerHTML = "<b style=\\"font:20px 'House Font'\\">text</b>";
  document.body.append(ruler);
  document.querySelector("p").style.width = ruler.firstChild.getBoundingClientRect().width + "px";
  ruler.remove();
})</script>"""


def test_a_plan_carries_fonts_of_text_that_is_only_measured(project, tmp_path):
    """The script removes the text before anything is asked about the page."""
    assert families(hfdask.plan(project(page(MEASURED)), tmp_path / "plan")) == [("Inter", True), ("House Font", False)]


CAPTIONS = """<video></video><script>
const track = document.querySelector("video").addTextTrack("captions");
track.mode = "showing";
track.addCue(new VTTCue(0, 1, "<b>text</b> →"));
</script>"""


@pytest.mark.parametrize(
    ("style", "family"), [("", "Inter"), ("@media all { ::cue { font-family: Roboto } }", "Roboto")]
)
def test_a_plan_carries_fonts_of_captions(style, family, project, tmp_path):
    found = families(hfdask.plan(project(page(CAPTIONS, style)), tmp_path / "plan"))
    assert {(family, True), ("DejaVu Sans", False)} <= {*found}


def test_letters_of_captions_without_a_glyph_are_a_warning(project, tmp_path):
    plan = hfdask.plan(project(page(CAPTIONS.replace("text", "字"))), tmp_path / "plan")
    assert [text.split()[3] for text in plan.manifest.warnings] == ["字"]


BRIEF = """<p style="font:20px Inter">text</p><script>
addEventListener("hf-seek", ({ detail: { time } }) => {
  document.querySelector("p").style.fontFamily = time === 0.1 ? "Roboto" : "Inter";
})</script>"""


def test_a_plan_carries_a_font_of_a_single_frame(project, tmp_path):
    source = project(page(BRIEF, seconds=2))
    assert ("Roboto", True) in families(hfdask.plan(source, tmp_path / "plan"))


@pytest.mark.slow
def test_two_plans_of_a_project_are_equal(project, tmp_path):
    source = project(page(TEXTS))
    assert hfdask.plan(source, tmp_path / "a").hash == hfdask.plan(source, tmp_path / "b").hash


def offline() -> list[str]:
    """Return the beginning of a command without a network except its own loopback, if the system supports that."""
    command = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    works = os.geteuid() == 0 and shutil.which("unshare") and shutil.which("ip")
    return command if works and not subprocess.run([*command, "true"], check=False).returncode else []


def worker(plan: hfdask.Plan, folder: Path) -> list[str]:
    """Render a plan's chunks as another user, on a machine that has no font at all, and no network."""
    config = configuration(folder / "none.conf", None)
    script = (
        "import sys, hfdask, hfdask.fonts.fontconfig as f\n"
        "from pathlib import Path\n"
        "assert f.faces(Path(sys.argv[4])) == []\n"
        "for index in range(int(sys.argv[3])):\n"
        "    hfdask.render_chunk(sys.argv[1], index, f'{sys.argv[2]}/{index}.mp4', redo=True)\n"
    )
    out = folder / "out"
    home = folder / "home"
    for path in (out, home):
        path.mkdir()
    arguments = [sys.executable, "-c", script, plan.url, str(out), str(len(plan.manifest.chunks)), str(config)]
    environment = {
        name: value for name, value in os.environ.items() if name in ("PATH", "LD_LIBRARY_PATH", "HFDASK_BROWSER")
    }
    environment |= {
        "HOME": str(home),
        "TMPDIR": str(home),
        "FONTCONFIG_FILE": str(config),
        "FONTCONFIG_PATH": str(home),
        "HFDASK_FONTS": str(home),
        "PYTHONPATH": str(REPOSITORY),
    }
    if os.geteuid() == 0:
        for path in (folder, out, home):
            os.chown(path, 65534, 65534)
        arguments = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--", *arguments]
    subprocess.run([*offline(), *arguments], env=environment, check=True, timeout=180, cwd=folder)
    return [digest for chunk in plan.manifest.chunks for digest in record(out, chunk.index)]


@contextmanager
def pictures_server() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "image/svg+xml")
            self.end_headers()
            self.wfile.write(
                b'<svg xmlns="http://www.w3.org/2000/svg" width="30" height="30"><circle r="25" fill="teal"/></svg>'
            )

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users may look into, as they may not into pytest's."""
    with tempfile.TemporaryDirectory(prefix="hfdask-fonts-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv")
@pytest.mark.slow
def test_a_worker_without_fonts_draws_the_same_pixels(project, open_folder):
    """The whole of hermetic: no font, no network, and another user than the planner's."""
    with pictures_server() as url:
        texts = TEXTS + f'<img src="{url}/dot.svg" style="position:absolute;right:0">'
        plan = hfdask.plan(project(page(texts)), open_folder / "plan", chunk_size=4, allow_hosts=("127.0.0.1",))
    assert len(plan.manifest.resources) == 1
    (open_folder / "here").mkdir()
    here = digests(plan, open_folder / "here")
    (open_folder / "there").mkdir()
    assert len(set(here)) > 3
    assert worker(plan, open_folder / "there") == here


def test_planning_and_rendering_draw_the_same(texts):
    """The plan's own fonts draw the planner's pictures; other fonts in their place would not."""
    world = fonts_of(Store(texts.url), texts.manifest)
    nothing = plan_fonts(FontSet(files=(), stand_ins={}), {})
    drawn = pictures(texts, world)
    assert pictures(texts, None) == drawn
    assert pictures(texts, nothing) != drawn


def fonts_of(store: Store, manifest: Manifest) -> FontSetup:
    with materialised(store, manifest.objects, manifest.fonts.files) as paths:
        return plan_fonts(manifest.fonts, {each.name: paths[each.sha256] for each in manifest.fonts.files})


def pictures(plan: hfdask.Plan, world: FontSetup | None) -> list[bytes]:
    manifest = plan.manifest
    with materialised(Store(plan.url), manifest.objects, manifest.artifacts) as paths:  # of a local plan, so they stay
        files = {each.path: paths[each.sha256] for each in manifest.artifacts}

    async def run() -> list[bytes]:
        async with (
            browser_thread().pool.lease(manifest.page.capture_mode, world) as (chromium, _),
            open_page(chromium, files, manifest.page, manifest.fps.fraction) as session,
        ):
            await session.load(manifest.entry)
            return [frame.picture.png if frame.picture else b"" async for frame in capture(session, 0, manifest.frames)]

    return browser_thread().run(run(), 60)


def test_the_machines_own_settings_change_nothing(texts, project, fonts, tmp_path):
    rules = """<match target="pattern"><test name="family"><string>No Such Font</string></test>
      <edit name="family" mode="assign" binding="same"><string>Unused Font</string></edit></match>
      <match target="pattern"><edit name="family" mode="prepend" binding="strong"><string>Unused Font</string></edit></match>
      <match target="font"><edit name="antialias" mode="assign"><bool>false</bool></edit>
      <edit name="embolden" mode="assign"><bool>true</bool></edit></match>"""
    with machine(configuration(tmp_path / "odd.conf", fonts / "machine", rules), fonts / "canonical"):
        there = hfdask.plan(project(page(TEXTS)), tmp_path / "b")
    assert texts.hash == there.hash


@pytest.mark.sample("web font")
@pytest.mark.parametrize(
    "body",
    [
        "<div style='width:20px;height:20px;background:red'></div>",
        "<style>@font-face{font-family:Mine;src:url(mine.ttf)}</style><p style='font:20px Mine'>text</p>",
    ],
    ids=["no text", "web font"],
)
def test_a_page_that_needs_no_system_font_gets_none_and_renders(body, project, tmp_path):
    font = build_font(tmp_path / "mine.ttf", "Mine").read_bytes()
    source = project(page(body), **{"mine.ttf": font})
    plan = hfdask.plan(source, tmp_path / "plan", fonts="reject")
    # Without any font at all, Chromium cannot be relied on to load one from the web.
    assert [font.canonical for font in plan.manifest.fonts.files] == [True] * ("Mine" in body)
    (tmp_path / "out").mkdir()
    assert len(digests(plan, tmp_path / "out")) == plan.manifest.frames


def test_reject_names_family_element_and_remedy(project, tmp_path):
    source = project(
        page("<p style='font-family:Inter'>fine</p><h1 id=bad style=\"font-family:'House Font'\">Not fine</h1>")
    )
    with pytest.raises(SystemFontError) as caught:
        hfdask.plan(source, tmp_path / "plan", fonts="reject")
    assert caught.value.code == "SYSTEM_FONT_USED"
    assert caught.value.details == {"families": ["House Font"], "elements": ['<h1#bad> "Not fine"']}
    for part in ("<h1#bad>", "House Font", "@font-face", "fonts='embed'"):
        assert part in caught.value.message
    assert not (tmp_path / "plan" / "plan.json").exists()


def test_reject_tells_text_for_which_nobody_declared_a_font(project, tmp_path):
    with pytest.raises(SystemFontError, match='<p> "text" asks for no font and is drawn in Liberation Serif'):
        hfdask.plan(project(page("<p>text</p>")), tmp_path / "plan", fonts="reject")


LETTERS = "<h1 id=title>字 母</h1><p>字</p>"


def test_letters_without_a_glyph_are_a_warning_with_their_remedy(project, tmp_path):
    plan = hfdask.plan(project(page(LETTERS)), tmp_path / "plan")
    assert plan.manifest.warnings == (
        'no font has 字 (U+5B57), 母 (U+6BCD) (Han) in <h1#title> "字 母", so boxes are drawn: add an @font-face '
        "that has them to the project, or install a font for them (Debian: apt-get install fonts-noto-cjk)",
    )


@pytest.mark.parametrize(
    ("letters", "words"),
    [
        ("नम", "(Devanagari)"),
        pytest.param("שלום", "(Hebrew)", marks=pytest.mark.slow),
        pytest.param("。", "fonts-noto-cjk", marks=pytest.mark.slow),
        ("😀", "fonts-noto-color-emoji"),
        pytest.param("\ue123", "U+E123", marks=pytest.mark.slow),
        ("\ue123", "icon font"),
        ("".join(map(chr, range(0x5B00, 0x5B20))), "and 22 more (Han)"),
    ],
)
def test_what_to_install_depends_on_the_script(letters, words, project, tmp_path):
    [warning] = hfdask.plan(project(page(f"<p>{letters}</p>")), tmp_path / "plan").manifest.warnings
    assert words in warning


@pytest.mark.sample("options0", "options1")
@pytest.mark.parametrize("options", [{"fonts": "reject"}, {"check": "strict"}, {"check": "strict-all"}])
def test_letters_without_a_glyph_can_be_an_error(options, project, tmp_path):
    # Named as a root with all that the check wants, so that nothing else is found.
    source = project(page(f"<div style='font-family:Inter'>{LETTERS}</div>"))
    with pytest.raises(MissingGlyphError, match="字") as caught:
        hfdask.plan(source, tmp_path / "plan", **options)
    assert caught.value.code == "GLYPH_MISSING"
    assert caught.value.details == {"characters": ["字", "母"], "elements": ['<h1#title> "字 母"']}


def test_reject_takes_canonical_families(project, tmp_path):
    source = project(page("<p style='font-family:Helvetica'>fine</p>"))
    assert families(hfdask.plan(source, tmp_path / "plan", fonts="reject")) == [("Inter", True)]


def test_the_option_is_checked(project, tmp_path):
    with pytest.raises(InvalidConfigError, match="fonts must be one of embed, reject"):
        hfdask.plan(project(), tmp_path / "plan", fonts="steal")  # type: ignore[arg-type]
    answer = CliRunner().invoke(main, ["plan", str(project()), str(tmp_path / "plan"), "--fonts", "steal"])
    assert answer.exit_code == 2


def test_a_missing_canonical_family_is_a_warning_with_its_remedy(project, fonts, tmp_path):
    source = project(page("<p style='font:20px Georgia'>text</p><p style='font:20px \"House Font\"'>text</p>"))
    with machine(fonts / "fonts.conf", tmp_path / "empty"):
        plan = hfdask.plan(source, tmp_path / "plan")
    assert plan.manifest.warnings == (
        "the planning machine has no EB Garamond and uses Liberation Serif instead: run `hfdask install-fonts`",
    )
    assert families(plan) == [("House Font", False), ("Liberation Serif", False)]


ABSENT = """<style>@font-face { font-family: Mine; src: local("Nothing") }</style>
<p style="font:20px Anton, sans-serif">text</p><p style="font:20px 'Anton'">text</p><p style="font:20px Mine, Anton">text</p>
<p style="font:20px 'House Font', Anton">text</p><p style="font:20px ui-monospace">text</p><p style="font:20px math">text</p>"""


def test_a_family_that_is_not_here_is_a_warning(project, tmp_path):
    plan = hfdask.plan(project(page(ABSENT)), tmp_path / "plan")
    assert plan.manifest.warnings == (
        "neither the project nor the planning machine has the font Anton, so its text is drawn in another one: add an @font-face for it "
        "to the project, or install it",
    )


def test_our_copy_of_a_family_wins_over_the_machines(project, fonts, tmp_path):
    shutil.copytree(fonts / "machine", tmp_path / "machine")
    build_font(tmp_path / "machine" / "a.ttf", "Inter", width=100)
    source = project(page("<p style='font:20px Inter'>text</p>"))
    with machine(configuration(tmp_path / "fonts.conf", tmp_path / "machine"), fonts / "canonical"):
        assert families(hfdask.plan(source, tmp_path / "plan")) == [("Inter", True)]


def test_a_font_that_left_the_store_is_missed_by_name(project, tmp_path):
    plan = hfdask.plan(project(page("<p style='font-family:Inter'>text</p>")), tmp_path / "plan")
    (tmp_path / "plan" / object_name(plan.manifest.fonts.files[0].sha256)).unlink()
    with pytest.raises(MissingArtifactError):
        hfdask.render_chunk(plan.url, 0, tmp_path / "0.mp4")


@pytest.fixture
def _this_machine() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("FONTCONFIG_FILE")
        if THIS_MACHINE:
            patch.setenv("FONTCONFIG_FILE", THIS_MACHINE)
        _machine_fonts.cache_clear()
        yield
        _machine_fonts.cache_clear()


@pytest.mark.usefixtures("_this_machine")
def test_colour_emoji_and_chinese_of_this_very_machine(project, tmp_path):
    """Real fonts, which are large, coloured, or many in one file."""
    known = {family for face in machine_fonts().faces for family in face.families}
    wanted = {"Noto Color Emoji", "Noto Sans CJK JP"}
    if not wanted <= known:
        pytest.skip(f"not on this machine: {', '.join(sorted(wanted - known))}")
    plan = hfdask.plan(project(page("<p style='font:20px Inter'>a 🎉 👩‍👩‍👧 直接</p>")), tmp_path / "plan")
    manifest, store = plan.manifest, Store(plan.url)
    assert {font.family for font in manifest.fonts.files} >= wanted
    world = fonts_of(store, manifest)
    assert pictures(plan, None) == pictures(plan, world)


def test_a_process_keeps_one_browser_more_than_it_ever_lent(few_browsers):
    async def visit() -> list[int]:
        pool = browser_thread().pool
        await pool.close()
        pool._most_lent = 1
        counts = []
        for number in range(4):
            world = plan_fonts(FontSet(files=(), stand_ins={"number": str(number)}), {})
            async with pool.lease("beginframe", world) as (_, warm):
                assert not warm
            async with pool.lease("beginframe", world) as (_, warm):
                assert warm
            counts.append(len(pool._idle))
        return counts

    assert browser_thread().run(visit(), 60) == [1, 2, 2, 2]


def test_plans_of_equal_fonts_share_browsers():
    empty = plan_fonts(FontSet(files=(), stand_ins={}), {})
    assert plan_fonts(FontSet(files=(), stand_ins={}), {}).key == empty.key != machine_fonts().key


def fake_npm(folder: Path, packages: Path | None) -> None:
    """An npm whose `pack` has these packages, or fails."""
    npm = folder / "npm"
    last = 'for last; do :; done; cp "$FAKE_PACKAGES"/*.tgz "$last"' if packages else "echo no network >&2; exit 1"
    npm.write_text(f"#!/bin/sh\n{last}\n")
    npm.chmod(0o755)


def package(folder: Path, slug: str, files: dict[str, int]) -> None:
    inside = folder / slug / "package" / "files"
    inside.mkdir(parents=True)
    for weight in files.values():
        path = build_font(inside / "plain.ttf", slug.title(), weight=weight)
        font = TTFont(path)
        font.flavor = "woff"
        font.save(inside / f"{slug}-latin-{weight}-normal.woff")
        path.unlink()
    (inside.parent / "LICENSE").write_text("OFL")
    with tarfile.open(folder / f"fontsource-{slug}-5.2.9.tgz", "w:gz") as archive:
        archive.add(inside.parent, "package")


def test_install_unpacks_every_family_once(tmp_path, monkeypatch):
    packages = tmp_path / "packages"
    for canonical in CANONICAL:
        package(packages, canonical.slug, canonical.files())
    fake_npm(tmp_path, packages)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_PACKAGES", str(packages))
    monkeypatch.setenv("HFDASK_FONTS", str(tmp_path / "fonts"))
    answer = CliRunner().invoke(main, ["install-fonts"])
    assert answer.exit_code == 0, answer.output
    assert "42 faces of 18 families" in answer.output
    assert len(fontpack.installed_files()) == 42
    assert TTFont(tmp_path / "fonts" / "inter-400.ttf").flavor is None
    fake_npm(tmp_path, None)
    assert CliRunner().invoke(main, ["install-fonts"]).exit_code == 0  # nothing left to fetch


def _tar(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for info, content in members:
            info.size = len(content) if info.isreg() else 0
            archive.addfile(info, io.BytesIO(content))


def _member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


FACE = "package/files/inter-latin-400-normal.woff"


@pytest.mark.parametrize("how", ["link", "hard link", "device", "pipe", "no font", "long", "empty", "no gzip", "cut"])
def test_an_archive_that_is_no_font_package_is_refused(how, tmp_path, monkeypatch):
    (tmp_path / "secret").write_text("mine")
    (tmp_path / "packages").mkdir()
    archive = tmp_path / "packages" / "fontsource-inter-5.2.9.tgz"
    monkeypatch.setattr(fontpack, "_MEMBER", 1000)
    members = {
        "link": (_member(FACE, tarfile.SYMTYPE, str(tmp_path / "secret")), b""),
        "hard link": (_member(FACE, tarfile.LNKTYPE, str(tmp_path / "secret")), b""),
        "device": (_member(FACE, tarfile.CHRTYPE), b""),
        "pipe": (_member(FACE, tarfile.FIFOTYPE), b""),
        "no font": (_member(FACE), b"wOFFmine"),
        "long": (_member(FACE), b"x" * 1001),
        "cut": (_member(FACE), os.urandom(900)),
    }
    _tar(
        archive,
        (_member("../../escaped"), b"x"),
        (_member(str(tmp_path / "escaped")), b"x"),
        *filter(None, [members.get(how)]),
    )
    if how == "no gzip":
        archive.write_bytes(b"mine")
    if how == "cut":
        archive.write_bytes(archive.read_bytes()[:300])
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(FontInstallError):
        fontpack._unpack(tmp_path / "packages", CANONICAL[0], tmp_path)
    assert sorted(tmp_path.rglob("*")) == before


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(fontpack, "_PACKAGE", 10**6)
    _tar(tmp_path / "a.tgz", (_member("package/bomb"), b"\0" * 10**7))
    with pytest.raises(FontInstallError, match="more than"):
        fontpack._members(tmp_path / "a.tgz", {FACE})


def test_an_install_that_fails_says_what_npm_said(tmp_path, monkeypatch):
    fake_npm(tmp_path, None)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("HFDASK_FONTS", str(tmp_path / "fonts"))
    with pytest.raises(FontInstallError, match="no network") as caught:
        fontpack.install_fonts(print)
    assert caught.value.code == "FONT_FETCH_FAILED"


def test_doctor_counts_fonts(fonts):
    answer = CliRunner().invoke(main, ["doctor", "--json"])
    facts = json.loads(answer.stdout)["facts"]
    assert facts["fonts"] == "6 faces of 6 families on this machine"
    assert facts["canonical fonts"] == f"6 of 42 faces in {fonts / 'canonical'}"


def test_a_font_given_as_data_is_the_projects_own(project, tmp_path):
    data = base64.b64encode(build_font(tmp_path / "own.ttf", "Own").read_bytes()).decode()
    style = f"@font-face{{font-family:Arial;src:url(data:font/ttf;base64,{data})}}"
    plan = hfdask.plan(project(page("<p style='font:20px Arial'>text</p>", style)), tmp_path / "plan")
    [(spare, canonical)] = families(plan)
    assert canonical
    assert spare != "Inter"  # which is what Arial would be drawn in


def test_text_of_a_frame_that_is_loaded_again_is_read(project, tmp_path):
    script = """<script>addEventListener("hf-seek", ({ detail }) => { const n = Math.floor(detail.time * 10);
      if (inner.name !== `at ${n}`) Object.assign(inner, { name: `at ${n}`, srcdoc: `<p style="font-family:Inter">text ${n}` }) })</script>"""
    plan = hfdask.plan(project(page("<iframe id='inner'></iframe>" + script)), tmp_path / "plan", check="off")
    assert ("Inter", True) in families(plan)
