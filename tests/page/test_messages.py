"""Changes that a page makes after messages to itself, or in promises, belong to the frame in which these began."""

from __future__ import annotations

import numpy as np
import pytest
from page_samples import Page, box, composition, open_html

pytestmark = pytest.mark.browser

# `send` sends a message whose listener is `got`. After a chain of messages, the box is at the frame's number.
CHAIN = """let at, left; const first = document.querySelector("#first");
const got = () => { if (left-- > 0) send(); else if (at % 3 !== 1) first.style.left = `${at}px` };
addEventListener("hf-seek", ({ detail: { time } }) => { at = Math.round(time * 30); left = LENGTH; send() });"""
WAYS = {
    "channel": "const { port1, port2 } = new MessageChannel(); port1.onmessage = got; const send = () => port2.postMessage(0);",
    "task": "const send = () => { scheduler.postTask(got) };",
    "yield": "const send = async () => { await scheduler.yield(); got() };",
    "window": "addEventListener('message', got); const send = () => postMessage(0, '*');",
    "promise": "const send = async () => { for (let turn = 0; turn < 9; turn++) await null; got() };",
    "promise, then channel": """const { port1, port2 } = new MessageChannel(); port1.onmessage = got;
      const send = async () => { for (let turn = 0; turn < 9; turn++) await null; port2.postMessage(0) };""",
}


def positions(page: Page, start: int, end: int) -> list[int]:
    return [int(np.argmax(frame[2, :, 0] > 200)) for frame in page.frames(start, end)]


@pytest.mark.sample(
    "task-beginframe",
    "window-beginframe",
    "yield-beginframe",
    "promise-beginframe",
    "promise, then channel-beginframe",
    "channel-beginframe",
    "channel-canvas",
)
@pytest.mark.parametrize("mode", ["beginframe", "canvas"])
@pytest.mark.parametrize("way", WAYS)
def test_chains_of_messages_end_before_the_picture(way, mode, tmp_path):
    length = "30" if way in ("task", "yield") else "300"
    script = CHAIN.replace("LENGTH", length) + WAYS[way]
    html = composition(box('id="first"', "#f00", "width:9px;height:9px"), script)
    with open_html(tmp_path, html, capture_mode=mode) as page:
        page.frames(0, 2)  # messages to the window are expected from the first one on
        assert positions(page, 2, 20) == [frame - (frame % 3 == 1) for frame in range(2, 20)]
        assert positions(page, 5, 9) == [5, 6, 6, 8]


@pytest.mark.sample("beginframe")
@pytest.mark.parametrize("mode", ["beginframe", "canvas"])
def test_messages_of_an_inner_frame_are_waited_for(mode, tmp_path):
    inner = """<body style="margin:0"><div id="first" style="position:absolute;width:9px;height:9px;background:#f00"></div><script>
      const { port1, port2 } = new MessageChannel(); let left;
      port1.onmessage = () => { if (left-- > 0) port2.postMessage(0); else first.style.left = `${at}px` };
      let at; window.go = (frame) => { at = frame; left = 200; port2.postMessage(0) };
      </script>"""
    outer = composition(
        '<iframe src="inner.html" style="position:absolute;left:0;top:0;width:64px;height:64px;border:0"></iframe>',
        """addEventListener("hf-seek", ({ detail: { time } }) => {
          document.querySelector("iframe").contentWindow.go?.(Math.round(time * 30)) })""",
    )
    with open_html(tmp_path, outer, files={"inner.html": inner}, capture_mode=mode) as page:
        assert positions(page, 3, 12) == [*range(3, 12)]


def test_a_page_that_never_stops_sending_messages_is_drawn_all_the_same(tmp_path):
    script = """const { port1, port2 } = new MessageChannel(); port1.onmessage = () => port2.postMessage(0); port2.postMessage(0);
      addEventListener("hf-seek", ({ detail: { time } }) => { root.style.background = `rgb(${Math.round(time * 30)}, 0, 0)` })"""
    with open_html(tmp_path, composition("", script)) as page:
        assert [page.pixel(frame)[0] for frame in (3, 9)] == [3, 9]


def test_senders_and_functions_of_messages_are_as_the_browsers(tmp_path):
    look = """(async () => {
      const { port1, port2 } = new MessageChannel();
      const got = new Promise((done) => { port1.onmessage = ({ data, ports }) => done([data, ports.length]) });
      const moved = new MessageChannel();
      port2.postMessage("a", [moved.port1]);
      const own = new Promise((done) => addEventListener("message", ({ source, data }) => done([source === window, data]), { once: true }));
      postMessage("b", "*");
      let wrong = ""; try { MessagePort.prototype.postMessage.call({}, 1) } catch (error) { wrong = error.name }
      return [await got, await own, wrong, await scheduler.postTask(() => "c"), postMessage.length] })()"""
    with open_html(tmp_path, composition("")) as page:
        assert page.value(look) == [["a", 1], [True, "b"], "TypeError", "c", 1]
