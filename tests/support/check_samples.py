"""Small projects for `hfdask check`: each a mistake, and the same without it.

A ``¶`` marks the line of the finding, and is taken out before the file is written.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sound_samples import tone, write_sound
from video_samples import cached, color_video

Files = dict[str, str | bytes]


@dataclass(frozen=True)
class Case:
    """``bad`` has the findings ``code`` and ``also``; ``good`` has no finding except ``still``."""

    code: str
    bad: Files
    good: Files
    severity: str = "error"
    also: tuple[str, ...] = ()
    still: tuple[str, ...] = ()
    name: str = ""
    variables: dict[str, Any] | None = None


def write(folder: Path, files: Files) -> tuple[str, int] | None:
    """Write a project; return file and line of its mark."""
    marked = None
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
            continue
        for number, line in enumerate(content.split("\n"), 1):
            if "¶" in line:
                marked = (name, number)
        path.write_text(content.replace("¶", ""), "utf-8")
    return marked


ROOT = 'data-composition-id="main" data-width="320" data-height="180" data-duration="2" data-no-timeline'
NO_LENGTH = 'data-composition-id="main" data-width="320" data-height="180" data-no-timeline'
TIMELINE = 'data-composition-id="main" data-width="320" data-height="180" data-duration="2"'
GSAP = '<script src="vendor/gsap.min.js"></script>'
LIBRARY = "/* gsap */ window.gsap = {};"
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360606060000000050001"
    "a5f645400000000049454e44ae426082"
)


def page(
    body: str = "", script: str = "", *, root: str = ROOT, head: str = "", style: str = "", more: str = "", **files: Any
) -> Files:
    """A project with this in its root, and this script behind it; ``files`` is for other files, ``/`` written as ``__``."""
    html = (
        f"<!doctype html>\n<html>\n<head>{head}<style>\n{style}\n</style></head>\n<body>\n"
        f'<div id="root" {root}>\n{body}\n</div>\n{more}\n<script>\n{script}\n</script>\n</body></html>'
    )
    return {"index.html": html, **{name.replace("__", "/").replace("_dot_", "."): text for name, text in files.items()}}


def script(
    code: str, bad: str, good: str, *, body: str = "<p id=a>a</p>", root: str = ROOT, more: str = "", **options: Any
) -> Case:
    """A case whose difference is in a script."""
    files = {"vendor__gsap_dot_min_dot_js": LIBRARY} if more == GSAP else {}
    return Case(
        code, page(body, bad, root=root, more=more, **files), page(body, good, root=root, more=more, **files), **options
    )


def body(code: str, bad: str, good: str, severity: str = "error", **options: Any) -> Case:
    """A case whose difference is in the root's content."""
    names = ("files", "style")
    shared = {**options.pop("files", {})}
    given = {name: options.pop(name) for name in names if name in options}
    return Case(code, page(bad, **given, **shared), page(good, **given, **shared), severity, **options)


def style(code: str, bad: str, good: str, content: str = '<div id="box">box</div>', **options: Any) -> Case:
    """A case whose difference is in a style sheet."""
    files = {name: options.pop(name) for name in list(options) if "_dot_" in name}
    return Case(code, page(content, style=bad, **files), page(content, style=good, **files), **options)


def document(text: str) -> Files:
    return {"index.html": text}


def sub(
    content: str,
    host: str = 'data-composition-id="a" data-composition-src="a.html" data-start="0" data-no-timeline',
    **files: Any,
) -> Files:
    """A project that mounts `a.html`."""
    return page(f"<div ¶{host}></div>", a_dot_html=content, **files)


def second() -> bytes:
    """A video that lasts a second."""
    return cached(color_video, "second.mp4", [(255, 0, 0)]).read_bytes()


def second_of_sound() -> bytes:
    return cached(lambda path: write_sound(path, tone(440, 1)), "second.wav").read_bytes()


BIG = "position:absolute;left:0;top:0;width:320px;height:180px;"
SMALL = "position:absolute;left:0;top:0;width:20px;height:18px;"
VIDEO = 'id="v" data-start="0" muted src="v.mp4"'
MEDIA: dict[str, Any] = {"v_dot_mp4": b"video", "s_dot_mp3": b"sound"}
SCENE = '<template><div data-composition-id="a" data-no-timeline><p>scene</p></div></template>'
NESTED = '<template><div data-composition-id="a" data-no-timeline>\n¶<video id="v" muted src="v.mp4" {}></video></div></template>'
CHAIN = '{"version": 1, "nodes": [{"id": "soft", "type": "gain", "params": {"gain": -6}}]}'
LANE = '{{"version": 1, "lanes": [{{"target": "{}", "points": [{{"t": 0, "v": 1}}]}}]}}'
RAMP = '{"version": 1, "lanes": [{"target": "rate", "points": [{"t": 0, "v": 2}]}]}'
HOST = 'data-composition-id="a" data-composition-src="a.html" data-start="0" data-no-timeline'
SIMULATION = {"vendor__party.confetti.particles.matter_dot_js": "// library"}
VARIABLES = """data-composition-variables='[{"id": "title", "type": "string", "label": "Title", "default": "x"}]'"""
ENUM = (
    """data-composition-variables='[{"id": "size", "type": "enum", "label": "Size", "default": "s","""
    """ "options": [{"value": "s", "label": "S"}]}]'"""
)
REGISTER = 'window.__timelines["main"] = tl;'

TEMPLATE = '<template id="box-template"><div data-composition-id="inner">{}</div></template>'


def hosted(attributes: str = "", *, text: str = '__timelines["card"] = tl;', wrapper: str = "") -> Files:
    """A host of a file, each with its own id; the file's script has these attributes and this text."""
    host = '<div data-composition-id="{}" data-composition-src="card.html" data-start="0"></div>'
    scene = f'<div data-composition-id="card" {wrapper}><p>card</p><script {attributes}>{text}</script></div>'
    files = page(f"¶{host.format('c1')}\n", REGISTER, root=TIMELINE, more="")
    return files | {"card.html": scene, "card.js": '__timelines["card"] = tl;'}


ROOT_CASES = [
    Case(
        "root_missing_composition_id",
        document(
            '<!doctype html><html><body>\n¶<div id="root" data-width="320" data-height="180"></div></body></html>'
        ),
        page(),
    ),
    Case(
        "root_missing_composition_id",
        document("<!doctype html><html><body>\n¶<p id=stage></p><script>draw(0)</script></body></html>"),
        document("<!doctype html><html><body><script>window.__hf = {duration: 1, seek: draw}</script></body></html>"),
        name="a page that is sought by its own means",
    ),
    Case(
        "standalone_composition_wrapped_in_template",
        document(f"<!doctype html><html><body>\n¶<template><div {ROOT}></div></template></body></html>"),
        page(),
    ),
    Case("root_missing_dimensions", page(root=f"¶{ROOT.replace('320', 'wide')}"), page()),
    Case("multiple_root_compositions", page(more=f"¶<div {ROOT.replace('main', 'b')}></div>"), page()),
    Case(
        "root_composition_missing_duration_source",
        page(root=f"¶{NO_LENGTH}"),
        page(root=NO_LENGTH, style="p { animation: a 2s } @keyframes a { to { opacity: 0 } }"),
        name="css gives the length",
    ),
    Case(
        "root_composition_missing_duration_source",
        page(root=f"¶{NO_LENGTH}", style="p { animation: a 2s infinite } @keyframes a { to { opacity: 0 } }"),
        page("<p id=a>a</p>", "a.animate([], 2000);", root=NO_LENGTH),
        name="an endless animation gives none",
    ),
    Case(
        "clip_outside_root",
        page(more='¶<p class="clip" data-start="0">a</p>'),
        page('<p class="clip" data-start="0">a</p>'),
        "warning",
    ),
    Case(
        "html_dir_attribute_breaks_render",
        document(f'<!doctype html>\n¶<html dir="rtl"><body><div {ROOT}></div></body></html>'),
        document(f'<!doctype html>\n<html><body><div {ROOT} dir="rtl"></div></body></html>'),
        "warning",
    ),
    body(
        "duplicate_composition_id",
        f'<div {ROOT.replace("main", "b")}></div>\n¶<div {ROOT.replace("main", "b")} title="second"></div>',
        f"<div {ROOT.replace('main', 'b')}></div>\n<div {ROOT.replace('main', 'c')}></div>",
    ),
    Case(
        "duplicate_composition_id",
        sub(SCENE.replace("<p>scene</p>", '\n¶<div data-composition-id="a"></div>')),
        sub(f'<html data-composition-id="a">{SCENE}</html>'),
        name="in a scene",
    ),
    Case(
        "host_missing_composition_id",
        sub(SCENE, HOST.replace('data-composition-id="a" ', "")),
        sub(SCENE),
        "warning",
    ),
    Case("missing_data_no_timeline", page(root=f"¶{TIMELINE}"), page(root=ROOT), "warning"),
    Case(
        "missing_data_no_timeline",
        page('¶<div data-composition-id="b" data-duration="1"></div>', "__timelines.main = x;", root=TIMELINE),
        page(
            '<div data-composition-id="b" data-duration="1"></div>',
            "window.__timelines = { main: x, b };",
            root=TIMELINE,
        ),
        "warning",
        name="of a child",
    ),
    Case(
        "missing_data_no_timeline",
        hosted('src="card.js"'),
        hosted(),
        "warning",
        name="of a host with an id of its own, whose file tells its own id",
    ),
    Case(
        "missing_data_no_timeline",
        hosted("type=module"),
        hosted(text='window.__timelines = { "card": tl };'),
        "warning",
        name="of a host, where only scripts of the scene's own know its id",
    ),
    Case(
        "missing_data_no_timeline",
        page(
            f'<div data-composition-id="box" data-start="0"></div>\n¶{TEMPLATE.format("")}',
            REGISTER,
            root=TIMELINE,
        ),
        page(
            f'<div data-composition-id="box" data-start="0"></div>\n{TEMPLATE.format("<script>__timelines.inner = tl;</script>")}',
            REGISTER,
            root=TIMELINE,
        ),
        "warning",
        name="of a host of a template",
    ),
    Case(
        "missing_data_no_timeline",
        hosted(text="", wrapper="¶"),
        hosted(text="", wrapper="data-no-timeline"),
        "warning",
        name="that a file does without",
    ),
    Case("missing_or_empty_sub_composition", sub(SCENE, HOST.replace("a.html", "b.html")), sub(SCENE), name="missing"),
    Case("missing_or_empty_sub_composition", sub(" \n"), sub(SCENE), name="empty"),
    Case(
        "missing_or_empty_sub_composition",
        sub("<p>no composition</p>"),
        page('<div data-composition-id="a" data-composition-src="__FILE__" data-start="0" data-no-timeline></div>'),
        name="no composition",
    ),
    Case(
        "sub_composition_cycle",
        {
            **sub(SCENE.replace("<p>scene</p>", f"\n¶<div {HOST} id=h></div>")),
            "index.html": page(f"<div {HOST}></div>")["index.html"],
        },
        sub(SCENE.replace("<p>scene</p>", f"<div {HOST.replace('a.html', 'b.html')}></div>"), b_dot_html=SCENE),
        also=(),
    ),
    Case(
        "sub_composition_too_deep",
        {
            **page(f"<div {HOST.replace('a.html', '0.html')}></div>"),
            **{
                f"{i}.html": SCENE.replace("<p>scene</p>", f"<div {HOST.replace('a.html', f'{i + 1}.html')}></div>")
                for i in range(21)
            },
            "21.html": SCENE,
        },
        {
            **page(f"<div {HOST.replace('a.html', '0.html')}></div>"),
            **{
                f"{i}.html": SCENE.replace("<p>scene</p>", f"<div {HOST.replace('a.html', f'{i + 1}.html')}></div>")
                for i in range(18)
            },
            "18.html": SCENE,
        },
    ),
]

SCRIPT_CASES = [
    script("invalid_inline_script_syntax", "let a = 1;\n¶let b = ;", "let a = 1;\nlet b = 2;"),
    script("invalid_inline_script_syntax", "let a = 1;\n¶let a = 2;", "let a = 1;\na = 2;", name="an early error"),
    Case(
        "invalid_inline_script_syntax",
        page(more="<script type=module>\nconst x = await 1;\n¶const y = ;\n</script>"),
        page(more='<script type=module>\nimport "nowhere";\nconst x = await 1;\nthrow x;\n</script>'),
        name="in a module",
    ),
    Case(
        "invalid_inline_script_syntax",
        page(more='<script src="a.js"></script>', a_dot_js="// a\n¶function {"),
        page(more='<script src="a.js"></script>', a_dot_js="// a\nfunction f() {}"),
        name="in a file",
    ),
    script(
        "timeline_id_mismatch", f"{REGISTER}\n¶window.__timelines.other = b;", f"// __timelines.other = b\n{REGISTER}"
    ),
    script("timeline_id_mismatch", '¶__timelines["other"] = tl;', REGISTER, severity="warning", name="the only one"),
    script(
        "timeline_id_mismatch",
        f'{REGISTER}\n¶window.hyperframesAnime.register("other", tl, {{ labels: {{}} }});',
        'hyperframesAnime.register("main", tl);',
        name="of anime.js",
    ),
    script(
        "gsap_timeline_not_registered",
        "// window.__timelines.main = tl\n¶const tl = gsap.timeline({ paused: true });",
        f"const tl = gsap.timeline({{ paused: true }});\n{REGISTER}",
        more=GSAP,
    ),
    script(
        "gsap_timeline_not_registered",
        "¶const tl = gsap.timeline();",
        "const all = window.__timelines;\nall.main = gsap.timeline();",
        more=GSAP,
        severity="warning",
        name="that runs by itself",
    ),
    script(
        "gsap_infinite_repeat",
        f'const tl = gsap.timeline();\n¶tl.to("#a", {{ x: 1, repeat: -1 }});\n{REGISTER}',
        f'const tl = gsap.timeline(); // repeat: -1\ntl.to("#a", {{ x: 1, repeat: 3, text: "repeat: -1" }});\n{REGISTER}',
        more=GSAP,
        severity="warning",
    ),
    Case(
        "gsap_infinite_repeat",
        page(script=f"¶const tl = new T({{ repeat: -1 }});\n{REGISTER}", root=NO_LENGTH),
        page(script=f"const tl = new T({{ repeat: 1 }});\n{REGISTER}", root=NO_LENGTH),
        name="decides the length",
    ),
    script(
        "non_deterministic_code",
        "¶const x = Math.random();",
        'const x = 4; // Math.random()\nconst y = "Math.random()";',
        severity="warning",
    ),
    script(
        "non_deterministic_code",
        "¶window.crypto.getRandomValues(x);",
        "crypto.subtle.digest(x);",
        severity="warning",
        name="crypto",
    ),
    script(
        "non_deterministic_code",
        '¶gsap.to("#a", { x: () => 100 * Math.random() });',
        'const r = 4;\ngsap.to("#a", { x: () => 100 * r });',
        more=GSAP,
        name="when a tween begins",
    ),
    script(
        "non_deterministic_code",
        '¶gsap.to("#a", { x: "random(-100, 100)" });',
        'const text = "random(1, 2)";\ngsap.to("#a", { x: "+=100" });',
        more=GSAP,
        name="a string of GSAP's",
    ),
    script(
        "non_deterministic_code",
        "¶const x = gsap.utils.random(1, 2);",
        "gsap.utils.clamp(1, 2, 3);",
        more=GSAP,
        severity="warning",
        name="GSAP's own",
    ),
    script(
        "non_deterministic_code",
        '¶gsap.to("#a", { duration: 1, scrambleText: "other" });',
        'const scrambleText = 1; // scrambleText: "x"\ngsap.to("#a", { text: "scrambleText: 1" });',
        more=GSAP,
        name="ScrambleText",
    ),
    script(
        "non_deterministic_code",
        '¶gsap.to("#a", { x: 9, ease: "rough({ strength: 2 })" });',
        'gsap.to("#a", { x: 9, ease: "rough({ randomize: false })" });\nconst rough = "rough({})";',
        more=GSAP,
        name="a rough ease",
    ),
    script(
        "non_deterministic_code",
        '¶gsap.to(".a", { stagger: () => gsap.utils.random(1, 2) });',
        'gsap.to(gsap.utils.shuffle([a]), { x: 9, stagger: { each: 0.1, from: "random" } });',
        more=GSAP,
        name="a stagger",
    ),
    *(
        script("animation_started_by_event", bad, good, more=GSAP, name=name)
        for name, bad, good in (
            (
                "onComplete",
                "¶gsap.to(a, { x: 9, onComplete: () => gsap.to(a, { y: 9 }) });",
                'gsap.to(a, { x: 9, onComplete: () => { a.textContent = "done"; a.classList.add("in"); } });',
            ),
            (
                "onStart",
                "¶gsap.to(a, { x: 9, onStart() { other.restart(); } });",
                "gsap.to(a, { x: 9, onStart() { gsap.set(a, { opacity: 0 }); } });",
            ),
            (
                "call",
                "const next = () => a.animate([], 100);\n¶gsap.timeline().call(next, [], 1);\nwindow.__timelines.main = 1;",
                "const next = () => (a.hidden = true);\ngsap.timeline().call(next);\nwindow.__timelines.main = 1;",
            ),
            (
                "delayedCall",
                "¶gsap.delayedCall(1, () => gsap.to(a, { x: 9 }));",
                "gsap.delayedCall(1, () => (a.textContent = 'x'));",
            ),
            (
                "eventCallback",
                "¶tween.eventCallback('onComplete', () => other.play());",
                "tween.eventCallback('onComplete', () => console.log('play()'));",
            ),
            (
                "animationend",
                "¶a.addEventListener('animationend', () => gsap.to(b, { x: 9 }));",
                "a.addEventListener('animationend', () => (a.style.animation = 'b 1s'));",
            ),
            (
                "ontransitionend",
                "function go() { tl.restart(); }\n¶a.ontransitionend = go;",
                "function go() { a.animate([], 100); }\na.ontransitionend = go;",
            ),
        )
    ),
    script(
        "animation_started_by_event",
        "¶a.addEventListener('animationend', () => b.play());",
        "a.addEventListener('animationend', () => b.classList.add('in'));",
        severity="warning",
        name="perhaps of a library",
    ),
    *(
        script("event_never_comes", bad, good, severity="warning", more=GSAP, name=name)
        for name, bad, good in (
            (
                "click",
                "¶a.addEventListener('click', () => a.classList.add('in'));",
                "a.addEventListener('click', () => console.log('in'));",
            ),
            (
                "scroll",
                "¶window.addEventListener('scroll', () => gsap.to(a, { x: 9 }));",
                "window.addEventListener('load', () => gsap.to(a, { x: 9 }));",
            ),
            ("onmouseenter", "¶a.onmouseenter = () => tl.play();", "a.onmouseenter = () => tl;"),
            (
                "ScrollTrigger",
                "¶gsap.to(a, { x: 9, scrollTrigger: a });",
                "gsap.to(a, { x: 9 }); // scrollTrigger: a",
            ),
        )
    ),
    body(
        "event_never_comes",
        '<svg><rect width="9" height="9">\n¶<animate attributeName="x" begin="click + 1s" to="9" dur="1s" /></rect></svg>',
        '<svg><rect width="9" height="9"><animate attributeName="x" begin="clicked.end" to="9" dur="1s" /></rect></svg>',
        "warning",
        name="smil",
    ),
    body(
        "event_never_comes",
        '¶<p onclick="this.classList.add(1)">a</p>',
        '<p onload="this.classList.add(1)" onclick="return false">a</p>',
        "warning",
        name="attribute",
    ),
    *(
        Case(
            "simulation_library",
            page(
                script=f"¶{call};",
                more='<script src="vendor/party.confetti.particles.matter.js"></script>',
                **SIMULATION,
            ),
            page(script=f"function confetti() {{}}\n{call};"),
            name=call,
        )
        for call in ("confetti({})", "particlesJS('a', {})", "tsParticles.load('a')", "Matter.Runner.run(b)")
    ),
    Case(
        "simulation_library",
        page(more='<script type=module>\nimport confetti from "canvas-confetti";\n¶confetti();\n</script>'),
        page(more='<script type=module>\nimport { confetti } from "./own.js";\nconfetti();\n</script>', own_dot_js=""),
        name="imported",
    ),
    script(
        "silent_analyser",
        "const analyser = new AudioContext().createAnalyser();\nconst levels = new Uint8Array(8);\n¶analyser.getByteFrequencyData(levels);",
        "const analyser = new OfflineAudioContext(1, 9, 9).createAnalyser();\nanalyser.getByteFrequencyData(new Uint8Array(8));",
        severity="warning",
    ),
    script(
        "virtual_date",
        "¶const now = new Date();",
        "const then = new Date(2026, 1, 1);\nperformance.now();",
        severity="warning",
    ),
    script(
        "virtual_date",
        "¶const now = Date.now();",
        "const then = Date.parse('2026-01-01'); // Date.now()",
        severity="warning",
        name="now",
    ),
    script(
        "requestanimationframe_in_composition",
        "let x = 0;\nfunction draw() {\n¶  x += 2;\n  a.style.left = `${x}px`;\n  requestAnimationFrame(draw);\n}\nrequestAnimationFrame(draw);",
        "let start, x;\nfunction draw(ms) {\n  start ??= ms;\n  x = ms / 8;\n  x += 1;\n  let n = 0;\n  n++;\n"
        "  a.style.left = `${x + n}px`;\n  requestAnimationFrame(draw);\n}\nrequestAnimationFrame(draw);",
    ),
    script(
        "requestanimationframe_in_composition",
        "const dots = [];\nconst draw = () => {\n  move();\n  requestAnimationFrame(draw);\n};\ndraw();\n"
        "function move() {\n  for (const dot of dots)\n¶    dot.x += dot.speed;\n}",
        "const dots = [];\nconst draw = (ms) => {\n  const copies = dots.map((dot) => ({ ...dot }));\n"
        "  copies.forEach((dot) => { dot.x += ms * dot.speed; });\n  for (let i = 0; i < 3; i++) a.title = i;\n"
        "  requestAnimationFrame(draw);\n};\nrequestAnimationFrame(draw);",
        name="a simulation",
    ),
    script(
        "state_between_frames",
        "let n = 0;\naddEventListener('hf-seek', () => {\n¶  n++;\n});",
        "addEventListener('hf-seek', ({ detail }) => {\n  let n = detail.time;\n  n++;\n});\naddEventListener('click', () => { m++; });\nlet m = 0;",
    ),
    script(
        "state_between_frames",
        f"let n = 0;\nconst tl = gsap.timeline({{ onUpdate() {{ }}, data: 1 }});\n¶tl.to(a, {{ onUpdate: () => {{ n = n + 1; }} }});\n{REGISTER}",
        f"let n = 0;\nconst tl = gsap.timeline();\ntl.to(a, {{ onUpdate: () => {{ n = tl.time(); }} }});\n{REGISTER}",
        more=GSAP,
        name="onUpdate",
    ),
    Case(
        "missing_gsap_script",
        page("<p id=a>a</p>", "¶gsap.set(a, { x: 1 });"),
        page("<p id=a>a</p>", "if (window.gsap) use();\nfunction f(gsap) { gsap.set(a, {}); }"),
    ),
    *(
        Case(
            "missing_gsap_script",
            page("<p id=a>a</p>", f"¶gsap.set(a, {{}});\n{bad}"),
            page("<p id=a>a</p>", good),
            name=name,
        )
        for name, bad, good in (
            ("that is looked for", "typeof other;", 'if (typeof gsap !== "undefined") gsap.set(a, {});'),
            ("that is asked for", "window.other && use();", "if (!window.gsap) throw 1;\ngsap.set(a, {});"),
            ("that a script sets", "window.own = make();", "window.gsap = make();\ngsap.set(a, {});"),
            (
                "that a script loads",
                "",
                "const s = document.createElement('script');\ns.onload = () => gsap.set(a, {});",
            ),
        )
    ),
    script(
        "missing_gsap_plugin",
        "¶gsap.registerPlugin(SplitText);",
        "const Own = {};\ngsap.registerPlugin(Own);",
        more=GSAP,
    ),
    script("missing_lottie_script", "¶lottie.loadAnimation({});", "// lottie.loadAnimation({})"),
    Case(
        "missing_three_script",
        page(script="¶const scene = new THREE.Scene();"),
        page(more='<script src="https://example.org/three.min.js"></script>', script="new THREE.Scene();"),
    ),
    script(
        "invalid_selector",
        "¶document.querySelector('[data-a=\"1\" data-b]');",
        "document.querySelector('[data-a=\"1\"][data-b], p:not(.x) > b');\nlist.closest(4);",
    ),
    Case(
        "imperative_media_control",
        page(f"<video {VIDEO}></video>", "¶document.querySelector('#root > video').play();", **MEDIA),
        page(
            f"<video {VIDEO}></video>", "const tl = { play() {} };\ntl.play();\na.animate([]).currentTime = 2;", **MEDIA
        ),
    ),
    Case(
        "imperative_media_control",
        page(f"<video {VIDEO}></video>", "const x = document.getElementById('v');\n¶x.currentTime = 3;", **MEDIA),
        page(f"<video {VIDEO}></video>", "const x = document.getElementById('root');\nx.currentTime = 3;", **MEDIA),
        name="by id",
    ),
    Case(
        "imperative_media_control",
        page(
            f"<video {VIDEO}></video>",
            "document.querySelectorAll('video').forEach((each) => {\n¶  each.pause();\n});",
            **MEDIA,
        ),
        page(
            f"<video {VIDEO}></video>",
            "document.querySelectorAll('div').forEach((each) => {\n  each.pause();\n});",
            **MEDIA,
        ),
        name="each",
    ),
]

CLIP = '<p class="clip" id="a" data-start="0" data-duration="1">a</p>'
LENGTH = 'data-duration="2"'
RISE = "@keyframes rise { from { opacity: 0 } }"
MOVES: dict[str, Any] = {"style": f"{RISE} p {{ animation: rise 1s }}"}
ONE = '<p class="clip" id="one" data-start="0" data-duration="1">a</p>'
TIMING_CASES = [
    body("invalid_timing_value", f"¶{CLIP.replace(chr(34) + '1' + chr(34), chr(34) + '1s' + chr(34))}", CLIP),
    body(
        "invalid_timing_value",
        '¶<p class="clip" data-start="after a">b</p>',
        '<p class="clip" data-start=" .5 ">b</p>',
        name="start",
    ),
    *(
        body("invalid_timing_value", f"¶<p {bad}>a</p>", f"<p {good}>a</p>", name=bad)
        for bad, good in (
            ('class="clip" data-start="0" data-duration="0"', 'class="clip" data-start="0" data-duration="1e-1"'),
            ('class="clip" data-start="0" data-duration="-1"', 'class="clip" data-start="0" data-duration=" 1 "'),
            ('class="clip" data-start="0" data-duration="Infinity"', 'data-duration="fast"'),
            ('class="clip" data-start="0" data-duration=""', 'data-end="never" data-width="auto"'),
            ('class="clip" data-start="-1"', 'class="clip" data-start="0"'),
            ('class="clip" data-start="0" data-width="wide"', 'class="clip" data-start="0" data-width="20px"'),
            ('class="clip" data-start="0" data-height="0"', 'class="clip" data-start="0" data-height="0.5"'),
            (
                'class="clip" data-start="0" data-playback-rate="0"',
                'class="clip" data-start="0" data-playback-rate="9"',
            ),
            ('class="clip" data-start="0" data-media-start="-2"', 'class="clip" data-start="0" data-media-start="0"'),
        )
    ),
    Case(
        "invalid_timing_value", page(root=f"¶{ROOT.replace(LENGTH, 'data-duration=0')}", **MOVES), page(), name="root"
    ),
    Case(
        "invalid_timing_value",
        page(root=f"¶{ROOT} data-composition-duration='2s'"),
        page(root=f"{ROOT} data-composition-duration='2'"),
        name="the root's other length",
    ),
    *(
        Case(
            "invalid_frame_rate",
            page(root=f"¶{ROOT} data-fps='{bad}'"),
            page(root=f"{ROOT} data-fps='{good}'"),
            name=bad,
        )
        for bad, good in (("29.97", "30000/1001"), ("0", "1"), ("fast", "240"), ("-30", " 30 "), ("241", ""))
    ),
    *(
        Case(
            "animation_before_clip",
            page(
                bad,
                style=f"{RISE} .b {{ animation: rise 0.5s both }} .c::before {{ content: 'x'; animation: rise 1s }}",
            ),
            page(
                good,
                style=f"{RISE} .b {{ animation: rise 0.5s both }} .c::before {{ content: 'x'; animation: rise 1s }}",
            ),
            "warning",
            name=name,
        )
        for name, bad, good in (
            (
                "in a clip",
                '<div class="clip" data-start="1"><p><b>a</b>\n¶<i class="b">a</i></p></div>',
                '<div class="clip b" data-start="1">a</div><div class="clip" data-start="0.4"><i class="b">a</i></div>',
            ),
            (
                "in a clip that follows another",
                f'{ONE}\n<div class="clip" data-start="one">\n¶<i class="b">a</i></div>',
                f'{ONE}\n<div class="clip" data-start="one - 0.6"><i class="b">a</i></div>',
            ),
            (
                "of a pseudo-element",
                '<div class="clip" data-start="1">\n¶<i class="c">a</i></div>',
                '<div class="clip c" data-start="1">a</div>',
            ),
            (
                "with a start that is too early",
                '<div class="clip" data-start="1">\n¶<i class="clip b" data-start="0.2">a</i></div>',
                '<div class="clip" data-start="1"><i class="clip b" data-start="1">a</i></div>',
            ),
            (
                "that is late enough",
                '<div class="clip" data-start="1">\n¶<i class="b" style="animation-delay: 0.4s">a</i></div>',
                '<div class="clip" data-start="1"><i class="b" style="animation-delay: 1s">a</i>'
                '<i class="b" style="animation-iteration-count: infinite">a</i></div>',
            ),
        )
    ),
    Case(
        "animation_before_clip",
        page(
            f"<div {HOST.replace(chr(34) + '0' + chr(34), chr(34) + '1' + chr(34))}></div>",
            a_dot_html=SCENE.replace("<p>", f"<style>{RISE} i {{ animation: rise 0.5s }}</style>\n¶<i>"),
        ),
        page(
            f"<div {HOST}></div>",
            a_dot_html=SCENE.replace("<p>", f"<style>{RISE} i {{ animation: rise 0.5s }}</style><i>"),
        ),
        "warning",
        name="in a scene",
    ),
    body(
        "unknown_start_reference",
        f'{CLIP}\n<div {HOST}></div>\n¶<p class="clip" data-start="nobody">b</p>',
        f'{CLIP}\n<div {HOST}></div>\n<p class="clip" data-start="inside">b</p>',
        files={"a_dot_html": SCENE.replace("<p>", '<p id="inside" class="clip" data-start="a - 0.5">')},
        name="across files",
    ),
    body(
        "unknown_start_reference",
        f'{CLIP}\n¶<p class="clip" data-start="b + 1">b</p>',
        f'{CLIP}\n<p class="clip" data-start="a + 1">b</p>',
    ),
    body(
        "start_reference_cycle",
        '¶<p class="clip" id="a" data-start="b">a</p>\n<p class="clip" id="b" data-start="a">b</p>',
        '<p class="clip" id="a" data-start="1">a</p>\n<p class="clip" id="b" data-start="a">b</p>',
    ),
    body(
        "deprecated_data_layer",
        f"¶{CLIP.replace('class', 'data-layer=1 class')}",
        f"{CLIP.replace('class', 'data-track-index=1 class')}",
        "warning",
    ),
    body("deprecated_data_end", f"¶{CLIP.replace('class', 'data-end=3 class')}", CLIP, "warning"),
    body("timed_element_missing_clip_class", f"¶{CLIP.replace('clip', 'a')}", CLIP, "warning"),
]

IMAGE: dict[str, Any] = {"img__a_b_dot_png": PNG}
BASED: dict[str, Any] = {
    "assets__a_dot_png": PNG,
    "b_dot_png": PNG,
    **{f"{folder}one_dot_css": "#root { background: url(/b.png) }" for folder in ("", "assets__")},
}
MODULES = (
    '<base href="js/"><script type=importmap>{{"imports": {{"lib": "./b.mjs", "all/": "/js/", "./x.mjs": "./b.mjs"}}}}</script>\n'
    "<script type=module>\n{}\n</script>"
)
MODULE_FILES: dict[str, Any] = {"js__a_dot_mjs": "", "js__b_dot_mjs": ""}
ASSET_CASES = [
    body("missing_local_asset", '\n¶<img src="img/none.png?v=1">', '<img src="img/a_b.png?v=1#x">', files=IMAGE),
    body(
        "missing_local_asset",
        '¶<img src="img/a%20b.png">',
        '<img src="img/a%5fb.png"><img src="/img/a_b.png">',
        files=IMAGE,
        name="percent",
    ),
    body(
        "missing_local_asset",
        '¶<img srcset="img/a_b.png 1x, img/c.png 2x">',
        '<img srcset="img/a_b.png, /img/a_b.png 2x, data:image/png;base64,AAAA 3x"><img src="https://a.example/x.png">',
        files=IMAGE,
        name="srcset",
    ),
    style(
        "missing_local_asset",
        "p { top: 0 }\n¶#box { background: url(none.png) }",
        "#box { background: url(data:,x), url('blob:x'); --x: 'url(a.png)' }",
        name="css",
    ),
    body(
        "missing_local_asset",
        "¶<p style=\"background-image:url('a b.png')\">a</p>",
        '<p style="fill:url(#a)">a</p>',
        name="style attribute",
    ),
    style(
        "missing_local_asset",
        "@font-face { font-family: 'X y'; src: url('none.woff2') } #box { font-family: serif, 'x Y' }",
        "/* @font-face { src: url('none.woff2') } */",
        name="font",
    ),
    style(
        "missing_local_asset",
        "@font-face { font-family: x; src: url('none.woff2') } .nowhere { font-family: x }",
        "",
        severity="warning",
        name="font that no text asks for",
    ),
    *(
        Case(
            "missing_local_asset",
            page(
                f"<div {HOST}></div>",
                a_dot_html=SCENE.replace(
                    "<p>", f"<style>\n¶@font-face {{ font-family: Own; src: url('none.woff2') }} {rule}</style><p>"
                ),
            ),
            page(f"<div {HOST}></div>", a_dot_html=SCENE),
            severity=severity,
            name=f"font of a scene that is {name}",
        )
        for rule, severity, name in (("", "warning", "not named"), ("p { font-family: OWN, serif }", "error", "named"))
    ),
    Case(
        "missing_local_asset",
        page(
            head='<link rel="stylesheet" href="css/a.css">',
            css__a_dot_css="@media all {\n¶  #root { background: url(b.png) } }",
            b_dot_png=PNG,
        ),
        page(
            head='<link rel="stylesheet" href="css/a.css">',
            css__a_dot_css="#root { background: url(../b.png) }",
            b_dot_png=PNG,
        ),
        name="in a style sheet",
    ),
    *(
        style(
            "missing_local_asset",
            f"@font-face {{ font-family: x; src: {bad} }} #box {{ font-family: x }}",
            f"@font-face {{ font-family: x; src: {good} }} #box {{ font-family: x }}",
            severity=severity,
            font_dot_woff2=b"font",
            name=f"font {bad}",
        )
        for severity, bad, good in (
            ("error", "url(a.woff2) format('woff2'), url(b.woff)", "url(font.woff2) format('woff2'), url(b.woff)"),
            ("error", "url(a.woff), url(font.woff2)", "url(font.woff2), url(a.woff), url(b.ttf) format('truetype')"),
            (
                "error",
                "url(a.eot) format('embedded-opentype'), url(a.woff)",
                "url('a.eot?#x') format('embedded-opentype'), url(font.woff2)",
            ),
            ("error", "url(a.svg#x) format('svg'), url(b.woff2)", "url(a.svg#x) format('svg'), url(/font.woff2)"),
            ("error", "url(a.woff2)", "url(data:font/woff2;base64,AA), url(a.woff2)"),
            ("error", "url(a.woff2) format('woff2')", "url(https://a.example/a.woff2), url(a.woff2)"),
            ("warning", "local('Own'), url(a.woff2)", "local('Own'), url(font.woff2), url(a.woff)"),
        )
    ),
    style(
        "missing_local_asset",
        "#box::before { background: url(a.png) }",
        ".nowhere, #box.never:hover { background: url(a.png) } @media print { #box { background: url(a.png) } }\n"
        "@supports (display: nothing) { #box { background: url(a.png) } }",
        name="of rules that apply",
    ),
    *(
        Case(
            "missing_local_asset",
            page(bad, head=f"{base}<link rel=stylesheet href=one.css>", **BASED),
            page(good, head=f"{base}<link rel=stylesheet href=one.css>", **BASED),
            name=f"by {base}",
        )
        for base, bad, good in (
            (
                '<base href="assets/">',
                '¶<img src="assets/a.png">',
                '<img src="a.png"><img src="/b.png"><img src="../b.png">',
            ),
            ("<base href='./assets'>", '¶<img src="a.png">', '<img src="b.png">'),
            ('<base target=_top><base href="/assets/x.html">', '¶<img src="b.png">', '<img src="deep/../a.png">'),
            ('<base href="assets/deep/..">', '¶<img src="deep/a.png">', '<img src="a.png">'),
            ('<base href="data:x">', '¶<img src="a.png">', '<img src="b.png">'),
            ('<base href="?x#y">', '¶<img src="a.png">', '<img src="b.png">'),
        )
    ),
    Case(
        "missing_local_asset",
        page('¶<img src="b.png">', head='<link rel=stylesheet href=one.css><base href="assets/">', **BASED),
        page('<img src="a.png">', head='<link rel=stylesheet href=one.css><base href="assets/">', **BASED),
        name="by a base behind a style sheet",
    ),
    Case(
        "missing_local_asset",
        page('<iframe src="f/f.html"></iframe>', f__f_dot_html='¶<base href=".."><img src="a.png">', b_dot_png=PNG),
        page(
            '<img src="a.png"><iframe src="f.html"></iframe>',
            head='<base href="assets/">',
            assets__a_dot_png=PNG,
            assets__f_dot_html='<base href="https://a.example/"><img src="none.png"><script src="none.js"></script>',
        ),
        name="by the base of a frame",
    ),
    Case(
        "missing_local_asset",
        page(more=MODULES.format("¶import './c.mjs'; import 'lib'; import 'all/a.mjs';"), **MODULE_FILES),
        page(
            more=MODULES.format("import './b.mjs'; import 'lib'; import 'all/a.mjs'; import('./x.mjs');"),
            **MODULE_FILES,
        ),
        name="by an import map",
    ),
    Case(
        "missing_local_asset",
        page(more='¶<script src="a.js" nomodule type=module></script>'),
        page(more='<script src="a.js" nomodule></script><script src="a.html" type="text/x-template"></script>'),
        name="of scripts that run",
    ),
    Case(
        "missing_local_asset",
        page(more='¶<script src="a.js"></script>'),
        page(more='<script src="a.js"></script>', a_dot_js=""),
        name="script",
    ),
    Case(
        "missing_local_asset",
        page(more='<script type=module src="a.js"></script>', a_dot_js='¶import "./b.js";'),
        page(more='<script type=module src="a.js"></script>', a_dot_js='import "./b.js";\nimport "bare";', b_dot_js=""),
        name="import",
    ),
    Case(
        "missing_local_asset",
        sub(
            SCENE.replace("scene", '\n¶<img src="../x.png">'),
            HOST.replace("a.html", "s/a.html"),
            s__a_dot_html=SCENE.replace("scene", '\n¶<img src="../x.png">'),
        ),
        page(
            f"<div {HOST.replace('a.html', 's/a.html')}></div>",
            s__a_dot_html=SCENE.replace("scene", '<img src="../x.png"><img src="x.png"><img src="y.png">'),
            x_dot_png=PNG,
            s__y_dot_png=PNG,
        ),
        name="of a sub-composition",
    ),
    body(
        "audio_src_not_found",
        '¶<audio id="s" data-start="0" src="t.mp3"></audio>',
        '<audio id="s" data-start="0" src="s.mp3"></audio>',
        files=MEDIA,
    ),
    body(
        "invalid_parent_traversal_in_asset_path",
        '¶<img src="../shared/a.png">',
        '<img src="x/../img/a_b.png">',
        files=IMAGE,
    ),
    body("placeholder_media_url", '¶<img src="{{picture}}">', '<img src="img/a_b.png">', files=IMAGE),
    body(
        "unloadable_media_variable_default",
        """¶<p data-composition-variables='[{"id": "i", "type": "image", "default": "none.png"}]'></p>""",
        """<p data-composition-variables='[{"id": "i", "type": "image", "default": {"url": "img/a_b.png"}}]'></p>""",
        files=IMAGE,
    ),
]

MEDIA_CASES = [
    body(
        "media_missing_id",
        '¶<video data-id="v" data-start="0" muted src="v.mp4"></video>',
        f"<video {VIDEO}></video>",
        "warning",
        files=MEDIA,
    ),
    body(
        "duplicate_media_id",
        f"<video {VIDEO}></video>\n¶<video {VIDEO} title=b></video>",
        f"<!-- <video {VIDEO}> -->",
        "warning",
        files=MEDIA,
    ),
    body(
        "media_missing_data_start",
        '¶<video id="v" muted src="v.mp4"></video>',
        f"<video {VIDEO}></video>",
        "warning",
        files=MEDIA,
    ),
    body(
        "media_missing_src",
        '¶<video id="v" data-start="0" muted></video>',
        '<video id="v" data-start="0" muted><source src="v.mp4"></video>',
        files=MEDIA,
    ),
    body("self_closing_media_tag", f"¶<video {VIDEO} /><p>gone</p>", f"<video {VIDEO}></video><img />", files=MEDIA),
    body(
        "video_missing_muted",
        '¶<video id="v" data-start="0" src="v.mp4"></video>',
        '<video id="v" data-start="0" data-has-audio="true" src="v.mp4"></video>',
        "warning",
        files=MEDIA,
    ),
    body(
        "video_muted_with_declared_audio",
        f'¶<video {VIDEO} data-has-audio="true"></video>',
        f"<video {VIDEO}></video>",
        files=MEDIA,
    ),
    body(
        "video_nested_in_timed_element",
        f'<div class="clip" data-start="0">\n¶<video {VIDEO}></video></div>',
        f"<div><video {VIDEO}></video></div>",
        "warning",
        files=MEDIA,
    ),
    body(
        "base64_media_prohibited",
        f"¶<video {VIDEO.replace('v.mp4', 'data:video/mp4;base64,AAAA')}></video>",
        f"<video {VIDEO}></video>",
        files=MEDIA,
    ),
    body(
        "media_preload_none",
        f'¶<video {VIDEO} preload="none"></video>',
        f'<video {VIDEO} preload="auto"></video>',
        "warning",
        files=MEDIA,
    ),
    body(
        "media_crossorigin_breaks_preview",
        f"¶<video {VIDEO} crossorigin></video>",
        f"<video {VIDEO}></video>",
        "warning",
        files=MEDIA,
    ),
    Case(
        "nested_media_start_basis_ambiguous",
        page(f"<div {HOST}></div>", a_dot_html=NESTED.format('data-start="2"'), **MEDIA),
        page(
            f"<div {HOST}></div>", a_dot_html=NESTED.format('data-start="2" data-hf-media-start-basis="local"'), **MEDIA
        ),
        "warning",
    ),
    Case(
        "nested_media_start_basis_ambiguous",
        page(f"<div {HOST}></div>", a_dot_html=NESTED.format('data-start="2"'), **MEDIA),
        page(f"<div {HOST}></div>", a_dot_html=NESTED.format('data-start="0"'), **MEDIA),
        "warning",
        name="of 0",
    ),
    body(
        "video_media_start_at_or_past_eof",
        '¶<video id="v" data-start="0" muted src="v.mp4" data-media-start="1" data-duration="1"></video>',
        '<video id="v" data-start="0" muted src="v.mp4" data-media-start="0.5" data-duration="1"></video>',
        "warning",
        files={"v_dot_mp4": second()},
    ),
    body(
        "audio_media_start_at_or_past_eof",
        '¶<audio id="s" data-start="0" src="s.wav" data-media-start="1"></audio>',
        '<audio id="s" data-start="0" src="s.wav" data-media-start="0.5"></audio>',
        "warning",
        files={"s_dot_wav": second_of_sound()},
    ),
    *(
        body(
            "audio_effects_invalid",
            f'¶<{element} data-fx-chain=\'{{"version": 1, "nodes": [{{"type": "wobble"}}]}}\'></{element.split()[0]}>',
            f"<{element} data-fx-chain='{CHAIN}'></{element.split()[0]}>",
            files=MEDIA,
            name=element.split()[0],
        )
        for element in (f"video {VIDEO}", 'audio id="s" data-start="0" src="s.mp3"', "hf-audio-group id=g")
    ),
    body(
        "audio_lane_idle",
        f"¶<hf-audio-group id=g data-fx-chain='{CHAIN}' data-automation='{LANE.format('fx.other.gain')}'></hf-audio-group>",
        f"<hf-audio-group id=g data-fx-chain='{CHAIN}' data-automation='{LANE.format('fx.soft.gain')}'></hf-audio-group>",
        "warning",
        files=MEDIA,
    ),
    body(
        "unknown_audio_group",
        '<hf-audio-group id="g"></hf-audio-group>\n¶<audio id="s" data-start="0" src="s.mp3" data-audio-group="h"></audio>',
        '<hf-audio-group id="g"></hf-audio-group>\n<audio id="s" data-start="0" src="s.mp3" data-audio-group="g"></audio>',
        "warning",
        files=MEDIA,
    ),
    body(
        "media_automation_invalid",
        "¶<hf-audio-group id=g data-automation='[]'></hf-audio-group>",
        f"<hf-audio-group id=g data-automation='{LANE.format('volume')}'></hf-audio-group>",
        files=MEDIA,
        name="of a group",
    ),
    body(
        "media_automation_invalid",
        f"¶<video {VIDEO} data-automation='{{\"version\": 2}}'></video>",
        f"<video {VIDEO} data-automation='{RAMP}'></video>",
        files=MEDIA,
    ),
    body(
        "speed_ramp_on_non_media",
        f"¶<p data-automation='{RAMP}'>text</p>",
        f"<video {VIDEO} data-automation='{RAMP}'></video>",
        "warning",
        files=MEDIA,
    ),
    body(
        "video_audio_double_source",
        '<video id="v" data-start="0" data-has-audio="true" src="v.mp4"></video>\n¶<audio id="s" data-start="0" src="v.mp4"></audio>',
        f'<video {VIDEO}></video>\n<audio id="s" data-start="0" src="v.mp4"></audio>',
        files=MEDIA,
    ),
    body(
        "duplicate_audio_track",
        '<audio id="s" data-start="0" src="s.mp3"></audio>\n¶<audio id="t" data-start="0" src="s.mp3"></audio>',
        '<audio id="s" data-start="0" src="s.mp3"></audio>\n<audio id="t" data-start="1" src="s.mp3"></audio>',
        "warning",
        files=MEDIA,
    ),
    *(
        body(
            code,
            f'¶<audio id="s" data-start="0" src="s.mp3" {attribute}></audio>',
            '<audio id="s" data-start="0" src="s.mp3" data-volume="3.9"></audio>',
            "warning",
            files=MEDIA,
        )
        for code, attribute in (
            ("audio_volume_invalid", 'data-volume="loud"'),
            ("audio_volume_out_of_range", 'data-volume="4"'),
            ("audio_loop_ignored", "loop"),
        )
    ),
]

VARIABLE_CASES = [
    Case(
        "invalid_variable_values_json",
        sub(SCENE, f"{HOST} data-variable-values='[1]'"),
        sub(SCENE, f"{HOST} data-variable-values='{{}}'"),
    ),
    body(
        "invalid_composition_variables_declaration", "¶<p data-composition-variables='{'></p>", f"<p {VARIABLES}></p>"
    ),
    body(
        "invalid_composition_variables_declaration",
        """¶<p data-composition-variables='[{"id": "a", "type": "colour"}]'></p>""",
        f"<p {ENUM}></p>",
        name="type",
    ),
    body(
        "unknown_variable_binding",
        f'<p {VARIABLES}></p>\n¶<p data-var-text="titel"></p>',
        f'<p {VARIABLES} data-var-text="title"></p>',
        "warning",
    ),
    Case(
        "undeclared_variable",
        page(f"<p {VARIABLES}></p>"),
        page('<p data-composition-variables=\'[{"id": "b", "type": "string"}]\'></p>'),
        "warning",
        variables={"b": "x"},
    ),
    Case(
        "undeclared_variable",
        sub(SCENE, f"""{HOST} data-variable-values='{{"title": 1}}'"""),
        sub(SCENE.replace("<p>", f"<p {VARIABLES}>"), f"""{HOST} data-variable-values='{{"title": 1}}'"""),
        "warning",
        name="of a host",
    ),
    Case(
        "variable_type_mismatch",
        page(f"<p {VARIABLES}></p>"),
        page(f"<p {VARIABLES.replace('string', 'number')}></p>"),
        "warning",
        variables={"title": 4},
    ),
    Case(
        "variable_type_mismatch",
        page(f"<p {ENUM}></p>"),
        page(f"<p {ENUM.replace(chr(34) + 's' + chr(34), chr(34) + 'm' + chr(34))}></p>"),
        "warning",
        variables={"size": "m"},
        name="enum",
    ),
]

COST_CASES = [
    style(
        "expensive_blur",
        f"#box {{ {BIG} filter: blur(30px) }}",
        f"#box {{ {SMALL} filter: blur(30px) }}",
        severity="warning",
    ),
    style(
        "expensive_blur",
        f"#box {{ {BIG} animation: out 1s }} @keyframes out {{ to {{ filter: blur(40px) }} }}",
        f"#box {{ {BIG} animation: out 1s }} @keyframes out {{ to {{ filter: blur(2px) }} }}",
        severity="warning",
        name="animated",
    ),
    style(
        "expensive_backdrop_filter",
        f"#box {{ {BIG} backdrop-filter: blur(4px) }}",
        f"#box {{ {BIG} background: #fff8 }}",
        severity="warning",
    ),
    style(
        "expensive_box_shadow",
        f"#box {{ {BIG} box-shadow: 0 0 90px #000 }}",
        f"#box {{ {BIG} box-shadow: 0 2px 6px #000 }}",
        severity="warning",
    ),
    style(
        "expensive_blend_mode",
        f"#box {{ {BIG} mix-blend-mode: screen }}",
        f"#box {{ {SMALL} mix-blend-mode: screen }}",
        severity="warning",
    ),
    Case(
        "many_filters",
        page("<i>x</i>" * 30, style="i { filter: grayscale(1) }"),
        page("<i>x</i>" * 3, style="i { filter: grayscale(1) }"),
        "warning",
    ),
]

CASES = [*ROOT_CASES, *SCRIPT_CASES, *TIMING_CASES, *ASSET_CASES, *MEDIA_CASES, *VARIABLE_CASES, *COST_CASES]
