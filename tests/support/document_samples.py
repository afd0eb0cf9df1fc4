"""A manifest with something in every field, and the contents of its files."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from typing import Any

import msgspec
from clip_samples import CLIP, planned

from hfdask.core.model import (
    PROTOCOL,
    Artifact,
    ChunkRange,
    Clip,
    Environment,
    Font,
    FontSet,
    Manifest,
    PageSettings,
    Rate,
    Resource,
    Timeline,
)
from hfdask.core.video_clip import RatePoint
from hfdask.formats.table import encoder_settings

DIGEST, FRAME = "a" * 64, "b" * 32
FILM, FILM_INDEX = planned(b"film")
CONTENTS = {
    "index.html": b"<!doctype html>",
    "a b/c.css": b"b {}",
    "font": b"font",
    "body": b"i {}",
    "a.mp4": b"film",
    "index of a.mp4": FILM_INDEX,
}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _content(name: str) -> dict[str, Any]:
    return {"sha256": sha256(CONTENTS[name]), "size": len(CONTENTS[name])}


ENVIRONMENT = Environment(platform="Linux", browser="1.2", pyav="1", ffmpeg="avcodec 1", runtime=DIGEST)


def manifest() -> Manifest:
    rate = Fraction(30)
    return Manifest(
        protocol=PROTOCOL,
        plan_hash="",
        entry="index.html",
        fps=Rate.of(rate),
        width=160,
        height=90,
        frames=20,
        chunks=(ChunkRange(index=0, start=0, end=10, key=DIGEST), ChunkRange(index=1, start=10, end=20, key="c" * 64)),
        format="mp4",
        encoder=encoder_settings("draft", None, None, rate),
        page=PageSettings(
            width=160,
            height=90,
            capture_mode="beginframe",
            fragment=False,
            variables={"title": "text", "list": ["a", {"b": "c"}]},
            page_errors="raise",
            load_timeout=45.0,
            frame_timeout=30.0,
            gives_up=("a.js",),
            durations={"v": 2.0},
        ),
        environment=ENVIRONMENT,
        timeline=Timeline(
            composition_id="c",
            duration=1.0,
            duration_source="data-duration",
            clips=(Clip(id="a", tag="div", start=0.0, end=None, track=0),),
            timelines=("c",),
            adapters=("gsap",),
        ),
        artifacts=(
            Artifact(path="index.html", **_content("index.html")),
            Artifact(path="a b/c.css", **_content("a b/c.css")),
            Artifact(path="a.mp4", **_content("a.mp4")),
        ),
        resources=(
            Resource(
                key=DIGEST,
                method="GET",
                url="https://cdn.example/a.css",
                status=200,
                headers={"content-type": "text/css"},
                **_content("body"),
            ),
        ),
        fonts=FontSet(
            files=(Font(name="machine-000.ttf", family="F", style="S", canonical=False, **_content("font")),),
            stand_ins={"Arial": "F"},
        ),
        videos=(FILM,),
        clips=(
            msgspec.structs.replace(
                CLIP, start=0.0, end=0.3, ramp=(RatePoint(t=0.0, v=1.0, curve=0.5, via=(0.2, 0.7)),)
            ),
        ),
        only_heard=(),
        sound=None,
        warnings=("warned",),
    ).sealed()
