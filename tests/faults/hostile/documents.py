"""Hostile projects: documents in every wrong encoding, files with odd names, option files that are none."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from case import GREEN, PLAIN, Case, Files, plain

from hfdask import errors

PAGE = str(GREEN["index.html"])


def document(name: str, files: Files, write: Callable[[Path], None] | None = None, **more: Any) -> Case:
    return Case("document", name, files, write=write, **more)


def options(name: str, text: str | bytes, **more: Any) -> Case:
    return document(f"options_{name}", {**GREEN, "hfdask.toml": text}, **more)


def _ring(folder: Path) -> None:
    for name in "ab":
        (folder / name).mkdir()
    (folder / "a" / "x").symlink_to("../b")
    (folder / "b" / "x").symlink_to("../a")
    (folder / "self").symlink_to(".")
    (folder / "nowhere").symlink_to("not there")


def _doubling_links(folder: Path) -> None:
    for n in range(18):
        (folder / f"d{n}").mkdir()
        for name in "ab":
            (folder / f"d{n}" / name).symlink_to(f"../d{n + 1}")
    (folder / "d18").mkdir()


def _links_out(folder: Path) -> None:
    (folder / "out").symlink_to("/etc/passwd")
    (folder / "all").symlink_to("/")


def _odd_names(folder: Path) -> None:
    for name in [
        "a b",
        "ä",
        "%2e%2e",
        "x?y#z",
        "con",
        ".hidden",
        "-rf",
        "a\nb",
        "\x1b[31m",
        "\u202e",
        "'\"`$(id)",
        "x" * 255,
        "a\\b",
        "~",
        "*",
    ]:
        (folder / name).write_text("x")
    with open(os.fsencode(folder) + b"/\xff\xfe\xed\xa0\x80", "wb") as file:
        file.write(b"x")


def _odd_files(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    (folder / "unreadable").write_text("x")
    (folder / "unreadable").chmod(0)
    (folder / "index.css").mkdir()


def _deep_folders(folder: Path) -> None:
    at = os.getcwd()
    try:
        os.chdir(folder)
        for _ in range(900):
            os.mkdir("d")
            os.chdir("d")
    finally:
        os.chdir(at)


def _many_files(folder: Path) -> None:
    for n in range(5000):
        (folder / f"{n}.txt").write_text("")


def _sparse(folder: Path) -> None:
    """A file of 300 MB that takes no place."""
    with open(folder / "big.bin", "wb") as file:
        file.truncate(300 * 2**20)


def _huge_document(folder: Path) -> None:
    with open(folder / "index.html", "w") as file:
        file.write(PLAIN.format(head="", body="<b>x</b>" * (50 * 2**20 // 8), end=""))


def _entry(write: Callable[[Path], None]) -> Callable[[Path], None]:
    def instead(folder: Path) -> None:
        (folder / "index.html").unlink()
        write(folder)

    return instead


def _mount(content: str | bytes, name: str = "x.html") -> Files:
    return {**plain(f'<div data-composition-src="{name}"></div>'), name: content}


_NESTED = '<template><div data-composition-id="x{n}"><div data-composition-src="{next}.html"></div></div></template>'

CASES = [
    document("nulls", {"index.html": PAGE.replace("<body>", "<body>\0\0<b>\0</b>") + "\0" * 1000}),
    document("only_nulls", {"index.html": "\0" * 100_000}, renders=False),
    document("nothing", {"index.html": ""}, renders=False),
    document("white_space", {"index.html": " " * 1_000_000}, renders=False),
    document("no_text", {"index.html": bytes(range(256)) * 1000}, renders=False),
    document("wide_letters", {"index.html": PAGE.encode("utf-16")}),
    document("wider_letters", {"index.html": PAGE.encode("utf-32")}),
    document("wide_letters_without_a_mark", {"index.html": PAGE.encode("utf-16-le")}),
    document("seven_bits", {"index.html": PAGE.replace("<head>", '<head><meta charset="utf-7">').encode("utf-7")}),
    document("a_false_charset", {"index.html": PAGE.replace("<head>", '<head><meta charset="utf-16">')}),
    document("an_unknown_charset", {"index.html": PAGE.replace("<head>", '<head><meta charset="x-\U0001f600">')}),
    document("shifted_letters", {"index.html": PAGE.replace("<head>", '<head><meta charset="iso-2022-jp">').replace("<body>", "<body>\x1b$B!!\x1b(B")}),
    document("broken_utf_8", {"index.html": PAGE.encode().replace(b"<body>", b"<body>\xff\xfe\xed\xa0\x80\xc0\xaf\xf8\x88\x80\x80\x80")}),
    document("surrogates_in_utf_8", {"index.html": PAGE.encode().replace(b'data-composition-id="c"', b'data-composition-id="\xed\xa0\x80"')}),
    document("a_mark_in_front", {"index.html": "\ufeff\ufeff" + PAGE}),
    document("a_zip", {"index.html": b"PK\3\4" + bytes(1000)}, renders=False),
    document("a_picture", {"index.html": b"\x89PNG\r\n\x1a\n" + bytes(1000)}, renders=False),
    document("an_executable", {"index.html": b"\x7fELF" + bytes(1000)}, renders=False),
    document("fifty_megabytes", GREEN, _huge_document),
    document("odd_urls", plain("".join(f'<img src="{url}" hidden><iframe src="{url}" hidden></iframe><div data-composition-id="x" data-no-timeline style="background:url({url})"></div>' for url in ("x" * 5000, "\0", "http://[", "//[::1", "?", "%", "%ff", "C:\\\\x", "a" + "/.." * 3000, "x/" * 3000)))),
    document("half_a_tag", {"index.html": PAGE[:-40]}),
    document("an_open_comment", {"index.html": "<!--" + PAGE}, renders=False),
    document("an_open_script", {"index.html": PAGE.replace("<body>", "<body><script>")}, renders=False),
    document("an_open_title", {"index.html": PAGE.replace("<head>", "<head><title>")}, renders=False),
    document("a_frame_set", {"index.html": "<frameset><frame src=x.html></frameset>" + PAGE, "x.html": PAGE}, renders=False),
    document("an_xml_document", {"index.html": '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + PAGE}),
    document("two_documents", {"index.html": PAGE + PAGE}),
    document("two_roots", plain('<div data-composition-id="c" data-no-timeline></div>')),
    document("no_root", {"index.html": "<body><p>x"}, renders=False, error=errors.RootNotFoundError),
    document("a_root_in_a_template", {"index.html": f"<template>{PAGE}</template>"}, renders=False),
    document("a_root_in_a_picture", {"index.html": '<svg><g id="root" data-composition-id="c" data-width="64" data-height="64" data-duration="0.4" data-no-timeline></g></svg>'}),
    document("a_root_that_is_the_body", {"index.html": '<body data-composition-id="c" data-width="64" data-height="64" data-duration="0.4" data-no-timeline>'}),
    document("a_root_that_is_the_document", {"index.html": '<html data-composition-id="c" data-width="64" data-height="64" data-duration="0.4" data-no-timeline>'}),
    document("a_root_that_is_a_script", {"index.html": '<script data-composition-id="c" data-width="64" data-height="64" data-duration="0.4" data-no-timeline></script>'}),
    document("a_policy_against_scripts", plain(head="""<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'none'; sandbox">""")),
    document("a_sub_composition_of_itself", _mount('<template><div data-composition-id="x"><div data-composition-src="x.html"></div></div></template>')),
    document("a_sub_composition_of_the_entry", plain('<div data-composition-src="index.html"></div>')),
    document("a_ring_of_sub_compositions", {**plain('<div data-composition-src="0.html"></div>'), **{f"{n}.html": _NESTED.format(n=n, next=(n + 1) % 5) for n in range(5)}}),
    document("deep_sub_compositions", {**plain('<div data-composition-src="0.html"></div>'), **{f"{n}.html": _NESTED.format(n=n, next=n + 1) for n in range(60)}, "60.html": '<template><div data-composition-id="x"></div></template>'}),
    document("an_empty_sub_composition", _mount(""), renders=False, error=errors.EmptyCompositionError),
    document("a_sub_composition_of_bytes", _mount(bytes(range(256))), renders=False),
    document("a_wide_sub_composition", _mount('<template><div data-composition-id="x"></div></template>'.encode("utf-16"))),
    document("a_missing_sub_composition", plain('<div data-composition-src="not there.html"></div>'), renders=False, error=errors.EmptyCompositionError),
    document("a_sub_composition_out_of_the_project", plain('<div data-composition-src="../../../etc/passwd"></div>'), renders=False),
    document("a_sub_composition_elsewhere", plain('<div data-composition-src="http://10.0.0.1/x.html?secret"></div>'), renders=False),
    document("a_sub_composition_in_an_url", plain('<div data-composition-src="data:text/html,<div data-composition-id=x>"></div>'), renders=False),
    document("a_sub_composition_that_is_a_script", plain('<div data-composition-src="javascript:alert(1)"></div>')),
    document("the_list_of_files", plain('<div data-composition-src=".hfdask/files.json"></div><img src="/.hfdask/files.json" hidden>')),
    document("a_list_of_files_of_its_own", {**GREEN, ".hfdask/files.json": "[" * 100_000}),
    document("rings_of_links", GREEN, _ring),
    document("doubling_links", GREEN, _doubling_links),
    document("links_out", plain('<img src="out"><img src="all/etc/passwd">'), _links_out, renders=False),
    document("odd_names", GREEN, _odd_names),
    document("odd_files", GREEN, _odd_files),
    document("deep_folders", GREEN, _deep_folders),
    document("many_files", GREEN, _many_files),
    document("a_large_file", GREEN, _sparse),
    document("no_entry", GREEN, lambda folder: (folder / "index.html").unlink(), renders=False, error=errors.EntryNotFoundError),
    document("an_entry_that_is_a_folder", GREEN, _entry(lambda folder: (folder / "index.html").mkdir()), renders=False),
    document("an_entry_that_is_a_pipe", GREEN, _entry(lambda folder: os.mkfifo(folder / "index.html")), renders=False),
    document("an_entry_that_is_a_link_out", GREEN, _entry(lambda folder: (folder / "index.html").symlink_to("/etc/passwd")), renders=False),
    document("an_entry_that_is_itself", GREEN, _entry(lambda folder: (folder / "index.html").symlink_to("index.html")), renders=False),
    document("an_entry_of_an_odd_name", GREEN, options={"entry": "\0"}, renders=False),
    document("an_entry_of_a_long_name", GREEN, options={"entry": "x" * 5000}, renders=False),
    document("an_entry_out_of_the_project", GREEN, options={"entry": "../../../../etc/passwd"}, renders=False),
    document("an_entry_with_a_lone_surrogate", GREEN, options={"entry": "\ud800.html"}, renders=False),
    document("an_entry_with_a_query", {"a?b#c%.html": PAGE}, options={"entry": "a?b#c%.html"}),
    options("no_toml", "= = =", renders=False, error=errors.InvalidConfigError),
    options("bytes", bytes(range(256)), renders=False, error=errors.InvalidConfigError),
    options("wide_letters", "[render]".encode("utf-16"), renders=False, error=errors.InvalidConfigError),
    options("nulls", "[render]\nfps = 10\0", renders=False, error=errors.InvalidConfigError),
    options("deep_lists", "x = " + "[" * 50_000, renders=False, error=errors.InvalidConfigError),
    options("deep_tables", "[" + ".".join(["a"] * 20_000) + "]", renders=False, error=errors.InvalidConfigError),
    options("deep_variables", "[render.variables" + ".a" * 500 + "]\nx = 1"),
    options("a_huge_number", "[render]\ncrf = " + "9" * 100_000, renders=False, error=errors.InvalidConfigError),
    options("infinity", "[render]\nload_timeout = inf", renders=False, error=errors.InvalidConfigError),
    options("no_number", "[render]\nframe_timeout = nan", renders=False, error=errors.InvalidConfigError),
    options("unknown", "[render]\nhacked = true", renders=False, error=errors.InvalidConfigError),
    options("wrong_types", '[render]\nfps = {}\nquality = []\nvariables = "x"', renders=False, error=errors.InvalidConfigError),
    options("dates", "[render.variables]\nx = 2020-01-01", renders=False, error=errors.InvalidConfigError),
    options("a_proto", "[render.variables.__proto__]\nx = 1"),
    options("many_variables", "[render.variables]\n" + "".join(f"v{n} = {n}\n" for n in range(50_000))),
    options("an_entry_elsewhere", '[render]\nentry = "/etc/passwd"', renders=False),
    options("hosts_of_nonsense", '[render]\nallow_hosts = ["*", "", "\\u0000"]', renders=False),
    options("replacements_of_nonsense", '[render.replace_urls]\n"" = "/"', renders=False),
    options("many_chunks", "[render]\nchunk_size = 1\nmax_chunks = 99999999999999999999999"),
    options("a_control_character", '[render]\nquality = "\\u001b[31m"', renders=False, error=errors.InvalidConfigError),
    document("options_that_are_a_folder", GREEN, lambda folder: (folder / "hfdask.toml").mkdir()),
    document("options_that_are_a_pipe", GREEN, lambda folder: os.mkfifo(folder / "hfdask.toml")),
    document("options_that_are_a_link_out", GREEN, lambda folder: (folder / "hfdask.toml").symlink_to("/etc/passwd")),
    document("options_that_are_endless", GREEN, lambda folder: (folder / "hfdask.toml").symlink_to("/dev/zero")),
]  # fmt: skip


def cases(_: int) -> list[Case]:
    return CASES
