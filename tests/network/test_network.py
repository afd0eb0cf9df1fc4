"""Other origins: recorded while planning, replayed in chunks, and nothing else ever."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from click.testing import CliRunner
from slow import sampled
from web import Page, Web

import hfdask
from hfdask import errors
from hfdask.cli import main
from hfdask.core.model import Sweep, decode, pretty_json
from hfdask.core.results import FrameRecord
from hfdask.media.picture import decode_png
from hfdask.network import addresses as address
from hfdask.network import fetch
from hfdask.network.fetch import Fetcher, Limits
from hfdask.network.messages import Request, redact, redact_text
from hfdask.network.record import Recorder, Replacement
from hfdask.planning.sweep import MAX_SWEPT, frames_to_sweep

OPEN = {"Access-Control-Allow-Origin": "*"}
HERE = ("127.0.0.1",)
NOT_PUBLIC = [
    "127.0.0.1",
    "127.8.8.8",
    "localhost",
    "a.localhost",
    "localhost.",
    "composition.localhost",
    "10.1.2.3",
    "192.168.0.1",
    "172.16.0.1",
    "169.254.169.254",
    "0.0.0.0",
    "100.64.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "0x7f000001",
    "2130706433",
    "127.1",
    "[::1]",
    "[::]",
    "[fe80::1]",
    "[fc00::1]",
    "[::ffff:127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[2001:0:4136:e378:8000:63bf:80ff:fffe]",
    "[64:ff9b:1::7f00:1]",
    "[::127.0.0.1]",
    "[fec0::1]",
    "[fd00::2]",
    "[fe80::1%25lo]",
    "[5f00::1]",
    "0177.0.0.1",
    "0x7f.1",
    "127.0.0.1.",
]
# Texts that become one of this machine's addresses or names before a connection.
SPELLINGS = [
    "127。0。0。1",
    "127．0．0．1",
    "127｡0｡0｡1",
    "１２７.0.0.1",
    "①②⑦.⓪.⓪.①",
    "𝟙𝟚𝟟.𝟘.𝟘.𝟙",
    "127.0.0.1\u00ad",
    "127.0.0.\u200b1",
    "[::ffff:127。0。0。1]",
    "127。1",
    "%31%32%37.0.0.1",
    "127%2e0%2e0%2e1",
    "localhost。",
    "ｌｏｃａｌｈｏｓｔ",
    "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
    "LOCALHOST",
    "user:word@127。0。0。1",
    "[0:0:0:0:0:ffff:7f00:1]",
]


def svg(colour: str) -> str:
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"><rect width="64" height="64" fill="{colour}"/></svg>'


@pytest.fixture
def other() -> Iterator[Web]:
    web = Web()
    yield web
    web.stop()


@pytest.fixture
def elsewhere() -> Iterator[Web]:
    """One with another address."""
    web = Web("127.0.0.2")
    yield web
    web.stop()


@pytest.fixture
def page(project: Callable[..., Path]) -> Callable[..., Path]:
    """A project with a root of 64 x 64 over these contents, by default six frames at 30 fps."""

    def write(body: str, duration: float = 0.2, **files: str | bytes) -> Path:
        return project(
            f'<div id="root" data-composition-id="c" data-width="64" data-height="64" data-duration="{duration}" '
            f'data-no-timeline style="position:absolute;inset:0">{body}</div>',
            **files,
        )

    return write


@pytest.fixture
def plan(tmp_path: Path) -> Callable[..., hfdask.Plan]:
    counter = iter(range(100))

    def make(source: Path, **options: Any) -> hfdask.Plan:
        return hfdask.plan(
            source, tmp_path / f"plan{next(counter)}", **{"allow_hosts": HERE, "chunk_size": 30, **options}
        )

    return make


def digests(plan: hfdask.Plan) -> list[str]:
    """The digests of all frames, as the chunks see them."""
    found: list[str] = []
    for chunk in plan.manifest.chunks:
        result = hfdask.render_chunk(plan.url, chunk.index, f"{plan.url}/{chunk.index}.mp4")
        path = Path(result.frames_url.removeprefix("file://"))
        found += decode(path.read_bytes(), FrameRecord, str(path)).digests
    return found


def everything(plan: hfdask.Plan) -> str:
    """All text that people and programs see of a plan and its chunks, but for the objects' own bytes."""
    folder = Path(plan.url.removeprefix("file://"))
    return "\n".join(file.read_text("utf-8") for file in folder.rglob("*.json")) + repr(plan) + str(plan.messages)


# Recorded and replayed responses


@pytest.mark.browser
def test_a_plan_renders_the_same_without_the_network(page, plan, web: Web) -> None:
    web.pages = {
        "/a.js": Page("window.colour = '#0f0'", "text/javascript"),
        "/m.js": Page("import {word} from './lib/b.js'; window.word = word", "text/javascript", headers=OPEN),
        "/lib/b.js": Page("export const word = 'module'", "text/javascript", headers=OPEN),
        "/style.css": Page("#box {background: url(pic.svg)}", "text/css"),
        "/pic.svg": Page(svg("#00f"), "image/svg+xml"),
        "/data.json": Page('{"width": 20}', "application/json", headers=OPEN),
    }
    source = page(
        f"""<script src="{web.url}/a.js"></script><link rel="stylesheet" href="{web.url}/style.css">
        <div id="box" style="width:64px;height:30px"></div><div id="bar" style="height:20px"></div>
        <script type="module" src="{web.url}/m.js"></script>
        <script>fetch("{web.url}/data.json").then(r => r.json()).then(d => {{
          bar.style.background = colour; bar.style.width = d.width + 'px' }})</script>"""
    )
    made = plan(source)
    assert [(r.url.removeprefix(web.url), r.status) for r in sorted(made.manifest.resources, key=lambda r: r.url)] == [
        (path, 200) for path in sorted(web.pages)
    ]
    online = digests(made)
    web.stop()
    assert digests(hfdask.Plan.open(made.url)) == online
    still = hfdask.render_chunk(made.url, 0, made.url + "/again.mp4")
    assert still.messages == 0
    # The pictures are made of it: each of these shows.
    blank = plan(page('<div style="height:30px"></div>'))
    assert set(online).isdisjoint(digests(blank))


@pytest.mark.browser
def test_two_plannings_give_the_same_plan_and_fetch_once(page, plan, web: Web) -> None:
    web.pages = {f"/{n}.svg": Page(svg("#00f"), "image/svg+xml") for n in range(8)}
    source = page("".join(f'<img src="{web.url}/{n}.svg" width=8>' for n in reversed(range(8))))
    first = plan(source)
    assert sorted(web.paths()) == sorted(web.pages)
    second = plan(source)
    assert first.hash == second.hash
    assert len({r.sha256 for r in first.manifest.resources}) == 1
    assert [r.key for r in first.manifest.resources] == sorted(r.key for r in first.manifest.resources)


@pytest.mark.browser
def test_rows_of_variables_share_their_objects(page, tmp_path: Path, web: Web) -> None:
    web.pages = {f"/{name}.svg": Page(svg(colour), "image/svg+xml") for name, colour in (("a", "red"), ("b", "blue"))}
    web.pages["/shared.js"] = Page("window.shared = 1", "text/javascript")
    source = page(
        f"""<script src="{web.url}/shared.js"></script><img id="i">
        <script>i.src = `{web.url}/${{__hfVariables.name}}.svg`</script>"""
    )

    def objects() -> set[str]:
        return {file.name for file in (tmp_path / "plans/objects").rglob("*") if file.is_file()}

    hashes, seen = set(), []
    for name in "ab":
        hashes.add(hfdask.plan(source, tmp_path / "plans", variables={"name": name}, allow_hosts=HERE).hash)
        seen.append(objects())
    assert len(hashes) == 2
    assert len(seen[1] - seen[0]) == 1  # the other picture, nothing else


@pytest.mark.browser
def test_a_font_from_elsewhere_needs_its_servers_permission(page, plan, web: Web) -> None:
    font = next(Path("/usr/share/fonts").rglob("*.ttf")).read_bytes()
    style = f"<style>@font-face {{font-family: Far; src: url({web.url}/f.ttf)}} #t {{font: 40px Far}}</style>"
    source = page(f'{style}<div id="t">agH</div>')
    web.pages["/f.ttf"] = Page(font, "font/ttf", headers=OPEN)
    made = plan(source, sweep=0)
    web.stop()
    found = digests(made)
    assert found == [found[0]] * 6


@pytest.mark.browser
def test_a_font_without_permission_is_an_error_that_says_so(page, plan, web: Web) -> None:
    web.pages["/f.ttf"] = Page(b"font", "font/ttf")
    style = f"<style>@font-face {{font-family: Far; src: url({web.url}/f.ttf)}} #t {{font: 40px Far}}</style>"
    with pytest.raises(errors.AssetError, match=r"/f\.ttf \(as font\).*CORS"):
        plan(page(f'{style}<div id="t">agH</div>'), sweep=0)


@pytest.mark.browser
def test_a_post_is_known_by_its_body(page, plan, web: Web) -> None:
    web.pages["/q"] = lambda asked: Page(
        asked.body[::-1], headers={**OPEN, "Access-Control-Allow-Headers": "content-type"}
    )
    made = plan(
        page(
            f"""<div id="a"></div><script>
            const ask = body => fetch("{web.url}/q", {{method: 'POST', body, headers: {{'content-type': 'application/json'}}}})
              .then(r => r.text());
            Promise.all(['"one"', '"two"'].map(ask)).then(texts => a.textContent = texts.join())</script>"""
        ),
    )
    assert sorted(r.method for r in made.manifest.resources) == ["OPTIONS", "POST", "POST"]
    web.stop()
    result = hfdask.render_chunk(made.url, 0, made.url + "/a.mp4")
    assert result.messages == 0


@pytest.mark.browser
@pytest.mark.slow
def test_frames_of_other_sites_and_workers_are_recorded_too(page, plan, web: Web, tmp_path: Path) -> None:
    served = tmp_path / "served"
    served.mkdir()
    web.pages = {
        "/frame.html": Page('<body style="margin:0"><img src="in.svg">', "text/html"),
        "/in.svg": Page(svg("#0f0"), "image/svg+xml"),
        "/w.txt": Page("from a worker", headers=OPEN),
    }
    for path, answer in web.pages.items():
        (served / path[1:]).write_text(answer.body)
    source = page(
        f"""<iframe src="{web.url}/frame.html" width=40 height=40 style="border:0"></iframe><p id=p></p><script>
        new Worker(URL.createObjectURL(new Blob([`fetch("{web.url}/w.txt").then(r => r.text()).then(postMessage)`])))
          .onmessage = e => p.textContent = e.data</script>"""
    )
    made = plan(source)
    assert sorted(r.url.removeprefix(web.url) for r in made.manifest.resources) == sorted(web.pages)
    web.stop()
    assert len(set(digests(made))) == 1
    hfdask.still(source, 0, tmp_path / "a.png", replace_urls={web.url: str(served)})
    red, green, blue = decode_png((tmp_path / "a.png").read_bytes())[20, 20]
    assert (red, green, blue) == (0, 255, 0)


@pytest.mark.browser
@pytest.mark.slow
def test_a_late_fetch_is_found_by_the_sweep_and_only_by_it(page, plan, web: Web) -> None:
    web.pages["/late.svg"] = Page(svg("#0f0"), "image/svg+xml")
    source = page(
        f"""<img id="i"><script>requestAnimationFrame(function f(t) {{
          if (t >= 1500) i.src = "{web.url}/late.svg"; requestAnimationFrame(f) }})</script>""",
        duration=2,
    )
    with_sweep = plan(source, chunk_size=15)
    assert [r.url for r in with_sweep.manifest.resources] == [f"{web.url}/late.svg"]
    assert with_sweep.stages["sweep"] > 0
    without = plan(source, sweep=0, chunk_size=15)
    assert without.manifest.resources == ()
    assert json.loads((Path(without.url.removeprefix("file://")) / "sweep.json").read_text())["frames"] == []
    web.stop()
    frames = digests(with_sweep)
    assert len(set(frames[:45])) == len(set(frames[45:])) == 1
    assert frames[44] != frames[45]
    hfdask.render_chunk(without.url, 0, without.url + "/0.mp4")  # it does not get there
    with pytest.raises(errors.AssetError, match=r'late\.svg \(as image\) in <img id="i">: a render has no network'):
        hfdask.render_chunk(without.url, 3, without.url + "/3.mp4")


@pytest.mark.browser
def test_what_is_missing_late_ends_the_planning(page, plan) -> None:
    source = page(
        """<img id="i"><script>requestAnimationFrame(function f(t) {
          if (t >= 1500) i.src = "late.png"; requestAnimationFrame(f) })</script>""",
        duration=2,
    )
    with pytest.raises(errors.AssetError, match=r'late\.png \(as image\) in <img id="i">'):
        plan(source)


@pytest.mark.slow
@pytest.mark.browser
def test_a_script_error_of_the_sweep_names_the_frame(page, plan) -> None:
    source = page(
        "<script>addEventListener('hf-seek', e => { if (e.detail.time > .5) throw Error('late') })</script>", 1
    )
    with pytest.raises(errors.ScriptError, match="at frame 16"):
        plan(source)
    assert any("late" in message for message in plan(source, page_errors="warn").messages)


@pytest.mark.browser
def test_a_request_that_the_plan_does_not_hold_names_who_asked(page, plan, web: Web) -> None:
    """A page that asks for more in a chunk than it did while it was planned."""
    web.pages = {"/a.svg": Page(svg("#00f"), "image/svg+xml"), "/b.js": Page("1", "text/javascript")}
    script = f"\n\ndocument.head.append(Object.assign(document.createElement('script'), {{src: '{web.url}/b.js?token=secret'}}))"
    made = plan(page(f'<img src="{web.url}/a.svg"><script src="late.js"></script>', **{"late.js": script}))
    kept = tuple(resource for resource in made.manifest.resources if resource.url.endswith("a.svg"))
    file = Path(made.url.removeprefix("file://")) / "plan.json"
    file.write_bytes(pretty_json(msgspec.structs.replace(made.manifest, resources=kept).sealed()))
    with pytest.raises(errors.AssetError) as caught:
        hfdask.render_chunk(made.url, 0, made.url + "/0.mp4")
    assert f"{web.url}/b.js (as script) in late.js:3, <script>: the plan does not have it" in caught.value.message
    assert "secret" not in caught.value.message
    assert not caught.value.retryable


# Secrets


@pytest.mark.browser
def test_queries_stay_out_of_everything(page, plan, web: Web) -> None:
    web.pages = {
        "/pic.svg": Page(svg("#0f0"), "image/svg+xml"),
        "/go": Page(status=302, headers={"Location": "/signed.svg?signature=secret-2"}),
        "/signed.svg": Page(svg("#00f"), "image/svg+xml"),
        "/closed.json": Page("{}"),
    }
    made = plan(
        page(
            f"""<img src="{web.url}/pic.svg?token=secret-1#secret-4"><img src="{web.url}/go">
            <script>fetch("{web.url}/closed.json?key=secret-3").catch(() => 0);
            fetch("{web.url}/gone.json?key=secret-5").catch(() => 0);
            console.warn("lost {web.url}/pic.svg?token=secret-1");</script>"""
        )
    )
    web.stop()
    assert digests(made)
    assert "secret" not in everything(made)
    assert "pic.svg" in everything(made)
    assert any("closed.json" in text for text in made.messages)


@pytest.mark.browser
def test_a_signature_that_is_another_one_each_time_does_not_change_the_plan(page, plan, web: Web) -> None:
    count = iter(range(10))
    web.pages = {
        "/go": lambda _: Page(status=302, headers={"Location": f"/signed.svg?signature={next(count)}"}),
        "/signed.svg": Page(svg("#00f"), "image/svg+xml"),
    }
    source = page(f'<img src="{web.url}/go">')
    assert plan(source).hash == plan(source).hash


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://u:p@x.y:8/a/b?q=1#f", "https://x.y:8/a/b"),
        ("https://x.y", "https://x.y"),
        ("data:image/png;base64,AAAA", "data:image/png;base64,…"),
    ],
)
def test_urls_for_people(url: str, shown: str) -> None:
    assert redact(url) == shown


def test_texts_for_people() -> None:
    text = "at f (https://u:p@x.y/a.js?k=v:3:4) 'https://x.y/b?k=v' no?k=v https://x.y/c#d."
    assert redact_text(text) == "at f (https://x.y/a.js?…) 'https://x.y/b?…' no?k=v https://x.y/c"


# Refused requests


def get(url: str, allow: tuple[str, ...] = HERE, limits: Limits | None = None, **request: Any) -> Any:
    async def run() -> Any:
        async with Fetcher(allow, limits) as fetcher:
            return (await fetcher.fetch(Request(request.pop("method", "GET"), url, **request)))[1]

    return asyncio.run(run())


@pytest.mark.parametrize("host", NOT_PUBLIC)
def test_addresses_that_are_not_public(host: str) -> None:
    with pytest.raises(errors.AssetRefusedError, match=r"private network|the URL is invalid"):
        get(f"http://{host}:9/", allow=())


@pytest.mark.parametrize("how", ["asked for", "asked by proxy", "redirected", "redirected %", "replaced"])
def test_other_spellings_of_this_machine(how: str, web: Web, elsewhere: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    port = web.url.rpartition(":")[2]
    urls = [f"http://{host}:{port}/reached{n}" for n, host in enumerate(SPELLINGS)]
    asked = list(urls)
    allow: tuple[str, ...] = ()
    places: dict[str, str] = {}
    if how == "asked by proxy":
        monkeypatch.setenv("http_proxy", web.url)
        monkeypatch.setenv("no_proxy", "")
    if how.startswith("redirected"):
        allow = ("127.0.0.2",)
        asked = [f"{elsewhere.url}/go{n}" for n in range(len(urls))]
        for n, url in enumerate(urls):
            target = quote(url, ":/@[]%") if how.endswith("%") else url.encode().decode("latin-1")
            elsewhere.pages[f"/go{n}"] = Page(status=302, headers={"Location": target})
    if how == "replaced":
        asked = [f"https://cdn{n}.example/" for n in range(len(urls))]
        places = dict(zip(asked, urls, strict=True))

    async def run() -> list[str]:
        got = []
        async with Recorder(allow, places, Limits(back_off=0.01)) as recorder:
            for host, url in zip(SPELLINGS, asked, strict=True):
                with suppress(errors.AssetError):
                    await recorder.answer(Request("GET", url))
                    got.append(host)
        return got

    assert asyncio.run(run()) == []
    assert not [each.path for each in web.asked if "reached" in each.path]
    assert len(elsewhere.asked) == how.startswith("redirected") * len(urls)


def test_no_socket_goes_to_a_private_address_whatever_was_thought_of_its_text(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "require_public_host", lambda url: None)
    monkeypatch.setattr(fetch, "require_public_address", lambda *_: None)
    for host in ("127.0.0.1", "localhost", "127.0.0.2"):
        with pytest.raises(errors.AssetRefusedError, match="private network"):
            get(web.url.replace("127.0.0.1", host), allow=())
    assert web.asked == []


def test_this_machine_is_private_under_its_public_addresses_too(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address, "_is_public", lambda _: True)
    with pytest.raises(errors.AssetRefusedError, match="address of this machine"):
        get(web.url, allow=())
    assert web.asked == []


@pytest.mark.parametrize("port", [1, 22, 25, 445, 1023])
def test_ports_that_are_no_web_servers(port: int) -> None:
    with pytest.raises(errors.AssetRefusedError, match=f"port {port} of public.example"):
        get(f"http://public.example:{port}/", allow=())


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST", "ｌｏｃａｌｈｏｓｔ", "localhost."])
def test_hosts_are_allowed_in_any_spelling(web: Web, name: str) -> None:
    web.pages["/a"] = Page("here")
    assert get(web.url.replace("127.0.0.1", "localhost") + "/a", allow=(name,)).body == b"here"


def test_a_name_with_a_private_address(monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve(*_: Any) -> list[dict[str, Any]]:
        return [{"hostname": "public.example", "host": host, "port": 80} for host in ("93.184.216.34", "10.0.0.7")]

    monkeypatch.setattr(fetch.ThreadedResolver, "resolve", resolve)
    with pytest.raises(errors.AssetRefusedError, match=r"public\.example has an address"):
        get("http://public.example/", allow=())


@pytest.mark.parametrize("url", ["ftp://example.com/a", "file:///etc/passwd", "gopher://x", "//x/y"])
def test_other_schemes(url: str) -> None:
    with pytest.raises(errors.AssetRefusedError, match="only http and https"):
        get(url)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("http://127.0.0.2:9/", "private network"),
        ("http://localhost:9/", "private network"),
        ("http://169.254.169.254/latest/meta-data", "private network"),
        ("file:///etc/passwd", "only http and https"),
        ("/round", "more than 5 redirects"),
        ("http://[bad", "an invalid URL"),
    ],
)
def test_redirects_to_where_nothing_may_go(web: Web, target: str, message: str) -> None:
    web.pages["/round"] = Page(status=302, headers={"Location": target})
    with pytest.raises(errors.AssetRefusedError, match=message):
        get(web.url + "/round")
    assert len(web.asked) == (6 if target == "/round" else 1)


def test_secrets_do_not_follow_to_other_origins(web: Web, other: Web) -> None:
    web.pages["/a"] = Page(status=302, headers={"Location": f"{other.url}/b"})
    web.pages["/c"] = Page(status=307, headers={"Location": "/d"})
    headers = {"authorization": "Bearer secret", "cookie": "c", "x-own": "1", "accept": "*/*"}
    get(web.url + "/a", headers=headers)
    get(web.url + "/c", headers=headers)
    assert [asked.headers.get("authorization") for asked in (*web.asked, *other.asked)] == [
        "Bearer secret",
        "Bearer secret",
        "Bearer secret",
        None,
    ]
    assert all("cookie" not in asked.headers for asked in (*web.asked, *other.asked))
    assert "x-own" not in other.asked[0].headers
    assert other.asked[0].headers["accept"] == "*/*"


@pytest.mark.parametrize(
    ("status", "method", "then"),
    [(302, "POST", "GET"), (303, "POST", "GET"), (307, "POST", "POST"), (301, "HEAD", "HEAD")],
)
def test_methods_after_redirects(web: Web, status: int, method: str, then: str) -> None:
    web.pages["/a"] = Page(status=status, headers={"Location": "/b"})
    get(web.url + "/a", method=method, body=b"x" if method == "POST" else b"")
    assert [(asked.method, asked.path) for asked in web.asked] == [(method, "/a"), (then, "/b")]
    assert web.asked[1].body == (b"x" if then == "POST" else b"")


def test_a_response_that_is_too_long(web: Web) -> None:
    web.pages["/a"] = Page(b"x" * 2000)
    assert len(get(web.url + "/a", limits=Limits(response=2000)).body) == 2000
    with pytest.raises(errors.AssetRefusedError, match=r"longer than the 0\.001999 MB that a response"):
        get(web.url + "/a", limits=Limits(response=1999))


def test_a_small_response_that_unpacks_to_a_long_one(web: Web) -> None:
    web.pages["/a"] = Page(gzip.compress(b"\0" * 10_000_000), headers={"Content-Encoding": "gzip"})
    with pytest.raises(errors.AssetRefusedError, match="longer than"):
        get(web.url + "/a", limits=Limits(response=1_000_000))


def test_all_responses_together(web: Web) -> None:
    web.pages["/a"] = Page(b"x" * 600)

    async def run() -> None:
        async with Fetcher(HERE, Limits(total=1000)) as fetcher:
            await fetcher.fetch(Request("GET", web.url + "/a"))
            await fetcher.fetch(Request("GET", web.url + "/a"))

    with pytest.raises(errors.AssetRefusedError, match="that all responses together may have"):
        asyncio.run(run())


def test_all_responses_together_when_they_come_together() -> None:
    halfway = threading.Barrier(4)

    def answer(connection: socket.socket) -> None:
        with suppress(OSError, threading.BrokenBarrierError), connection:
            connection.recv(9999)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 600\r\n\r\n" + b"x" * 150)
            halfway.wait(5)
            time.sleep(0.2)
            connection.sendall(b"x" * 450)

    async def run(port: int) -> list[Any]:
        async with Fetcher(HERE, Limits(total=1000, attempts=1)) as fetcher:
            asked = (fetcher.fetch(Request("GET", f"http://127.0.0.1:{port}/{n}")) for n in range(4))
            return await asyncio.gather(*asked, return_exceptions=True)

    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    threading.Thread(target=answer, args=(server.accept()[0],), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        refused = [
            each for each in asyncio.run(run(server.getsockname()[1])) if isinstance(each, errors.AssetRefusedError)
        ]
        server.shutdown(socket.SHUT_RDWR)
    assert len(refused) >= 3


def test_more_requests_than_a_composition_can_need(web: Web) -> None:
    async def run() -> None:
        async with Fetcher(HERE, Limits(requests=2)) as fetcher:
            for _ in range(3):
                await fetcher.fetch(Request("GET", web.url + "/a"))

    with pytest.raises(errors.AssetRefusedError, match="more than 2 requests"):
        asyncio.run(run())
    assert len(web.asked) == 2


def test_headers_without_end(web: Web) -> None:
    web.pages["/a"] = Page("x", headers={f"X-{n}": "x" * 7000 for n in range(20)})
    with pytest.raises(errors.AssetRefusedError, match="headers are longer"):
        get(web.url + "/a")


def test_a_server_that_answers_drop_by_drop() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            with suppress(OSError), server.accept()[0] as connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n")
                while True:
                    connection.sendall(b"x")
                    time.sleep(0.05)

        threading.Thread(target=drip, daemon=True).start()
        began = time.monotonic()
        with pytest.raises(errors.AssetFetchError, match="no complete answer"):
            get(f"http://127.0.0.1:{server.getsockname()[1]}/", limits=Limits(seconds=0.5, attempts=1))
        assert time.monotonic() - began < 3


def test_a_server_that_does_not_answer(web: Web) -> None:
    web.pages["/slow"] = lambda _: time.sleep(1.5) or Page()
    began = time.monotonic()
    with pytest.raises(errors.AssetFetchError, match=r"no complete answer within 0\.4 s") as caught:
        get(web.url + "/slow", limits=Limits(seconds=0.4))
    assert time.monotonic() - began < 1.2
    assert caught.value.retryable


def test_what_may_heal_is_tried_again(web: Web) -> None:
    count = iter(range(9))
    web.pages["/a"] = lambda _: Page("well", status=503 if next(count) < 2 else 200)
    web.pages["/b"] = Page(status=500)
    web.pages["/c"] = Page(status=404)
    quick = Limits(back_off=0.01)
    assert get(web.url + "/a", limits=quick).body == b"well"
    assert [get(web.url + path, limits=quick).status for path in ("/b", "/c")] == [500, 404]
    assert [web.paths().count(path) for path in ("/a", "/b", "/c")] == [3, 3, 1]


def test_no_connection_is_an_error_that_may_heal(web: Web) -> None:
    web.stop()
    with pytest.raises(errors.AssetFetchError, match="no connection") as caught:
        get(web.url + "/a?token=secret", limits=Limits(back_off=0.01))
    assert "secret" not in str(caught.value)


def test_a_proxy_is_used_and_asked_for_the_name(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    web.pages["http://far.example/a"] = Page("by proxy")
    monkeypatch.setenv("http_proxy", web.url.replace("//", "//user:secret@"))
    monkeypatch.setenv("no_proxy", "")
    assert get("http://far.example/a", allow=()).body == b"by proxy"
    with pytest.raises(errors.AssetRefusedError):
        get("http://10.0.0.1/a", allow=())


@pytest.mark.browser
@pytest.mark.parametrize(
    ("answer", "message", "kind"),
    [
        (Page(status=404), "the server answered 404", errors.AssetError),
        (Page("<h1>hello", "text/html"), "answered with a web page", errors.AssetError),
        (Page(status=302, headers={"Location": "http://10.0.0.1/x"}), "private network", errors.AssetRefusedError),
    ],
)
def test_an_error_names_url_element_and_reason(answer, message, kind, page, plan, web: Web) -> None:
    web.pages["/a.png"] = answer
    with pytest.raises(kind, match=rf"{web.url}/a\.png \(as image\) in index\.html:1, <img>: .*{message}") as caught:
        plan(page(f'<img src="{web.url}/a.png?token=secret">'))
    assert caught.type is kind
    assert "secret" not in str(caught.value) + str(caught.value.details)


@pytest.mark.browser
@pytest.mark.slow
def test_a_font_service_that_cannot_be_reached_is_a_warning(page, plan) -> None:
    service = "https://fonts.googleapis.com"
    source = page(f'<link rel="stylesheet" href="{service}/css2?family=Inter"><p style="font-family:Inter">x')
    made = plan(source, replace_urls={service: "http://127.0.0.1:9"})
    assert any(f"{service}/css2 (as stylesheet) in index.html:1: no connection" in text for text in made.messages)
    assert digests(made)


@pytest.mark.browser
def test_a_page_that_is_not_ready_for_want_of_an_answer_says_which(page, plan, web: Web) -> None:
    web.pages["/slow.js"] = lambda _: time.sleep(4) or Page()
    with pytest.raises(errors.PageTimeoutError, match=rf"no answer yet from {web.url}/slow\.js"):
        plan(page(f'<script src="{web.url}/slow.js?token=secret"></script>'), load_timeout=1.5)


@pytest.mark.browser
def test_the_network_of_this_machine_is_closed_unless_named(page, plan, web: Web) -> None:
    web.pages["/a.svg"] = Page(svg("#0f0"), "image/svg+xml")
    with pytest.raises(errors.AssetRefusedError, match=r"allow_hosts=\('127\.0\.0\.1',\)"):
        plan(page(f'<img src="{web.url}/a.svg">'), allow_hosts=())
    assert web.asked == []


@pytest.mark.browser
def test_what_has_no_place_in_a_render_ends_quietly(page, plan, web: Web) -> None:
    source = page(
        f"""<link rel="preconnect" href="{web.url}"><link rel="dns-prefetch" href="{web.url}">
        <link rel="prefetch" href="{web.url}/prefetch"><link rel="icon" href="{web.url}/icon.png">
        <a id="b" target="_blank" href="{web.url}/blank">y</a><script>
        new WebSocket("{web.url.replace("http", "ws")}/socket"); new EventSource("{web.url}/events");
        navigator.sendBeacon("{web.url}/beacon", "x"); window.open("{web.url}/popup");
        fetch("{web.url}/put", {{method: 'PUT', body: 'x'}}).catch(() => 0);
        navigator.serviceWorker.register("sw.js").catch(() => 0); b.click();
        </script>""",
        **{"sw.js": ""},
    )
    began = time.monotonic()
    made = plan(source)
    assert made.manifest.resources == ()
    assert web.asked == []
    said = "\n".join(made.messages)
    for word in ("events (as eventsource)", "beacon (as ping)", "put (as"):
        assert word in said
    assert digests(made)
    assert time.monotonic() - began < 20


@pytest.mark.browser
@pytest.mark.parametrize(
    "leaving",
    sampled(
        [
            '<script>location.href = "{}"</script>',
            '<script>addEventListener("load", () => {{ location.href = "{}" }})</script>',
            '<script>addEventListener("hf-seek", e => {{ if (e.detail.time > 0.5) location.href = "{}" }})</script>',
            '<a id="a" href="{}" download>x</a><script>a.click()</script>',
            '<meta http-equiv="refresh" content="0;url={}">',
        ],
        one_of=2,
    ),
)
def test_a_page_that_leaves_is_an_error(leaving: str, page, plan, web: Web) -> None:
    web.pages["/elsewhere"] = Page("<h1>hello", "text/html")
    with pytest.raises(errors.NavigationError, match="the page navigated to"):
        plan(page(leaving.format(web.url + "/elsewhere"), 1))
    assert web.asked == []


@pytest.mark.browser
def test_cookies_are_neither_kept_nor_sent(page, plan, web: Web) -> None:
    web.pages["/a.svg"] = Page(svg("#0f0"), "image/svg+xml", headers={"X-Request-Id": "1"})
    made = plan(page(f'<img src="{web.url}/a.svg?1"><img src="{web.url}/a.svg?2">'))
    assert all("cookie" not in asked.headers for asked in web.asked)
    assert [dict(r.headers) for r in made.manifest.resources] == [{"content-type": "image/svg+xml"}] * 2


# Other places for URLs


@pytest.mark.browser
@pytest.mark.slow
def test_a_folder_a_file_and_a_url_in_place_of_a_cdn(page, plan, web: Web, tmp_path: Path) -> None:
    (tmp_path / "npm/dist").mkdir(parents=True)
    (tmp_path / "npm/dist/a b.js").write_text("window.a = 1")
    (tmp_path / "one.js").write_text("window.b = 2")
    web.pages["/mirror/c.js"] = Page("window.c = 3", "text/javascript")
    cdn = "https://cdn.example"
    source = page(
        f"""<script crossorigin integrity="" src="{cdn}/npm/dist/a%20b.js?v=1"></script>
        <script type="module">import "{cdn}/one.js"; import "{cdn}/m/c.js"; await 0;
        document.body.style.background = a + b + c === 6 ? '#0f0' : '#f00'</script>"""
    )
    places = {
        f"{cdn}/npm/": str(tmp_path / "npm"),
        f"{cdn}/one.js": str(tmp_path / "one.js"),
        f"{cdn}/m": f"{web.url}/mirror",
        cdn: str(tmp_path),
    }
    made = plan(source, replace_urls=places, page_errors="raise")
    assert sorted(r.url for r in made.manifest.resources) == [
        f"{cdn}/m/c.js",
        f"{cdn}/npm/dist/a%20b.js",
        f"{cdn}/one.js",
    ]
    assert str(tmp_path) not in Path(made.url.removeprefix("file://") + "/plan.json").read_text()
    web.stop()
    green = plan(page("<style>body{background:#0f0}</style>"))
    assert set(digests(made)) == set(digests(green))


@pytest.mark.parametrize(
    ("url", "rest"),
    [
        ("https://x.y/npm/a.js", "/a.js"),
        ("https://x.y/npm", ""),
        ("https://x.y/npm?v=1", "?v=1"),
        ("https://x.y/npm2/a.js", None),
        ("http://x.y/npm/a.js", None),
    ],
)
def test_prefixes_end_where_names_do(url: str, rest: str | None) -> None:
    assert Replacement("https://x.y/npm", "p").rest(url) == rest


@pytest.mark.parametrize(
    ("prefix", "target", "rest", "url"),
    [
        ("https://x.y/", "http://z", "a.js", "http://z/a.js"),
        ("https://x.y/", "http://z/v1", "a.js", "http://z/v1/a.js"),
        ("https://x.y/", "http://z/v1/", "a.js", "http://z/v1/a.js"),
        ("https://x.y", "http://z", "/a.js", "http://z/a.js"),
        ("https://x.y/a?v=", "http://z/a?w=", "1", "http://z/a?w=1"),
    ],
)
def test_urls_in_place_of_urls(prefix: str, target: str, rest: str, url: str) -> None:
    assert Replacement(prefix, target).url(rest) == url


def test_a_page_does_not_choose_the_host_that_replaces_another(web: Web) -> None:
    async def run() -> None:
        async with Recorder(HERE, {"https://x.y/?host=": "http://127.0.0.1"}) as recorder:
            await recorder.answer(Request("GET", f"https://x.y/?host=:{web.url.rpartition(':')[2]}/"))

    with pytest.raises(errors.AssetRefusedError, match="is outside of the replacement"):
        asyncio.run(run())
    assert web.asked == []


@pytest.mark.parametrize(
    "rest",
    ["../secret", "a/../../secret", "%2e%2e/secret", "..%2fsecret", "link", "%2e%2e%2fsecret", "/etc/passwd", "a%00b"],
)
def test_no_way_out_of_a_folder(rest: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "in/link").symlink_to(tmp_path / "secret")
    with pytest.raises(errors.AssetError):
        Replacement("https://x.y/", str(tmp_path / "in")).file(rest)


def test_the_longest_prefix_wins_and_what_it_lacks_is_not_looked_for_elsewhere(web: Web, tmp_path: Path) -> None:
    for name in ("a", "a/b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.txt").write_text(name)
    (tmp_path / "a/y.txt").write_text("")
    places = {web.url: str(tmp_path / "a"), f"{web.url}/b": str(tmp_path / "a/b")}

    async def body(path: str) -> bytes:
        async with Recorder(HERE, places) as recorder:
            return (await recorder.answer(Request("GET", web.url + path))).body

    assert [asyncio.run(body(path)) for path in ("/x.txt", "/b/x.txt")] == [b"a", b"a/b"]
    with pytest.raises(errors.AssetError, match=r"has no file 'y\.txt'"):
        asyncio.run(body("/b/y.txt"))
    assert web.asked == []


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"replace_urls": {"cdn.example": "x"}}, "replace_urls"),
        ({"replace_urls": {"https://x.y/": ""}}, "replace_urls"),
        ({"replace_urls": ["a"]}, "replace_urls"),
        ({"replace_urls": {"https://x.y/": "/no/such/folder"}}, "replace_urls"),
        ({"allow_hosts": "localhost"}, "allow_hosts"),
        ({"allow_hosts": ["http://localhost"]}, "allow_hosts"),
        ({"allow_hosts": ["localhost:80"]}, "allow_hosts"),
        ({"allow_hosts": [""]}, "allow_hosts"),
        ({"sweep": -1}, "sweep"),
        ({"sweep": True}, "sweep"),
    ],
)
def test_options_that_mean_nothing(options: dict[str, Any], field: str, page, tmp_path: Path) -> None:
    with pytest.raises(errors.InvalidConfigError) as caught:
        hfdask.plan(page(""), tmp_path / "plan", **options)
    assert caught.value.details["field"] == field
    assert not (tmp_path / "plan/plan.json").exists()


# The project's own file


@pytest.mark.browser
def test_a_project_has_options_of_its_own(page, plan, web: Web) -> None:
    source = page(
        '<script src="https://cdn.example/a.js"></script><p>x',
        **{
            "hfdask.toml": "[render]\nfps = 10\nchunk_size = 3\nvariables = {a = 1, b = 1}\nsweep = 4\n"
            'replace_urls = {"https://cdn.example" = "vendor"}',
            "vendor/a.js": "window.a = 1",
        },
        duration=1,
    )
    made = plan(source, variables={"b": 2}, chunk_size=5)
    assert made.manifest.frames == 10
    assert len(made.manifest.chunks) == 2
    assert made.manifest.page.variables == {"a": 1, "b": 2}
    assert [r.url for r in made.manifest.resources] == ["https://cdn.example/a.js"]
    assert "hfdask.toml" not in [artifact.path for artifact in made.manifest.artifacts]
    assert plan(source / "index.html", fps=20).manifest.frames == 20


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[render]\nspeed = 1", "speed"),
        ("fps = 10", "fps"),
        ("[other]\na = 1", "other"),
        ("[render", "not valid TOML"),
        ("[render]\nfps = 1000", "fps"),
        ("[render]\ndeadline = 2020-01-01", "deadline"),
        ('[render]\nallow_hosts = ["localhost"]', "so a project cannot set it"),
        ('[render]\nreplace_urls = {"https://x.y/" = "../other"}', "not a path inside the project"),
        ('[render]\nreplace_urls = {"https://x.y/" = "/etc"}', "not a path inside the project"),
    ],
)
def test_a_project_file_that_makes_no_sense(text: str, message: str, page, tmp_path: Path) -> None:
    source = page("", **{"hfdask.toml": text})
    for call in (hfdask.plan, hfdask.render):
        with pytest.raises(errors.InvalidConfigError, match=message) as caught:
            call(source, tmp_path / "out.mp4")
        assert str(source / "hfdask.toml") in caught.value.message


@pytest.mark.browser
def test_the_command_line_has_the_options(page, web: Web, tmp_path: Path) -> None:
    web.pages["/a.svg"] = Page(svg("#0f0"), "image/svg+xml")
    source = page(
        f'<img src="{web.url}/a.svg"><script src="https://cdn.example/b.js?a=b"></script>', **{"vendor/b.js": "1"}
    )
    arguments = ["plan", str(source), str(tmp_path / "p"), "--allow-host", "127.0.0.1", "--sweep", "10", "--json"]
    replace = ["--replace-url", f"https://cdn.example={source}/vendor"]
    result = CliRunner().invoke(main, [*arguments, *replace])
    assert result.exit_code == 0, result.output
    assert len(json.loads(result.stdout)["plan"]["resources"]) == 2
    assert CliRunner().invoke(main, [*arguments, "--replace-url", "nonsense"]).exit_code == 2


# The sweep


@pytest.mark.parametrize(
    ("frames", "step", "starts", "expected"),
    [
        (10, None, [5], tuple(range(10))),
        (10, 0, [5], ()),
        (10, 4, [], (0, 4, 8, 9)),
        (10, 4, [5, 20, -1], (0, 4, 5, 8, 9)),
        (1, 100, [], (0,)),
        (0, 1, [], ()),
    ],
)
def test_frames_that_a_sweep_visits(
    frames: int, step: int | None, starts: list[int], expected: tuple[int, ...]
) -> None:
    assert frames_to_sweep(frames, step, starts) == expected


@pytest.mark.parametrize("frames", [1, MAX_SWEPT, MAX_SWEPT + 1, 18_000, 10**6])
def test_a_long_video_is_swept_thinly(frames: int) -> None:
    visited = frames_to_sweep(frames, None)
    assert visited[0] == 0
    assert visited[-1] == frames - 1
    assert len(visited) <= MAX_SWEPT + 1
    assert len(visited) == frames or frames > MAX_SWEPT


@pytest.mark.browser
@pytest.mark.parametrize("capture", ["beginframe", "screenshot"])
def test_the_sweep_leaves_a_record(page, plan, capture: str) -> None:
    style = "<style>@keyframes go {to {translate: 40px}} #b {animation: go .5s linear both; width: 9px; height: 9px; background: red}</style>"
    made = plan(page(f'{style}<div id="b"></div>', 1), capture=capture)
    file = Path(made.url.removeprefix("file://")) / "sweep.json"
    sweep = decode(file.read_bytes(), Sweep, "sweep.json")
    assert sweep.plan_hash == made.hash
    assert sweep.frames == tuple(range(30))
    assert all(sweep.moved[1:15])
    assert not any(sweep.moved[17:])
    # The compositor may still owe frames of the load, and then takes the first ones for those.
    drawn = [damaged for damaged in sweep.damage[6:15] if damaged is not None]
    assert all(drawn)
    assert bool(drawn) == (capture == "beginframe")
    assert len(sweep.seconds) == 30
    assert min(sweep.seconds) > 0


@pytest.mark.browser
def test_a_still_fetches_what_its_frame_shows(page, web: Web, tmp_path: Path) -> None:
    web.pages["/late.svg"] = Page(svg("#0f0"), "image/svg+xml")
    source = page(
        f"""<img id="i"><script>addEventListener('hf-seek', e => {{
          if (e.detail.time >= .5) i.src = "{web.url}/late.svg" }})</script>""",
        1,
    )
    hfdask.still(source, 0.7, tmp_path / "a.png", allow_hosts=HERE)
    assert web.paths() == ["/late.svg"]
