"""The rules: for each finding its severity, message and remedy.

An error means that a render fails, shows something else than the author meant, or differs from chunk to chunk. A
warning means that something is slow, fails in other renderers or editors, or is likely, but not surely, a mistake.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from hfdask.core.results import Finding

Severity = Literal["error", "warning"]


class Rule(Struct, frozen=True):
    """``message`` and ``remedy`` are templates for the details of a finding."""

    severity: Severity
    message: str
    remedy: str


def _error(message: str, remedy: str) -> Rule:
    return Rule("error", message, remedy)


def _warning(message: str, remedy: str) -> Rule:
    return Rule("warning", message, remedy)


_STATE = (
    "{name} grows from frame to frame, and a chunk that starts later has not seen the frames before: "
    "what it shows differs from chunk to chunk"
)
_FROM_TIME = "compute it from the time of the frame alone: the callback's argument, or event.detail.time of hf-seek"
_REPAINT = "use a smaller radius or area, or a picture that has the effect drawn in"

ROOT = {
    "root_missing_composition_id": _error(
        "no element has a data-composition-id, so there is no video to render",
        "give one element data-composition-id, data-width, data-height and data-duration",
    ),
    "standalone_composition_wrapped_in_template": _error(
        "the entry document's composition is inside of a <template>, so nothing of it is on the page",
        "take it out of the <template>; only files that are mounted by data-composition-src have one",
    ),
    "document_too_large": _warning(
        "the document has {megabytes} MB, which is too large to be checked with the others",
        "move data and pictures into separate files",
    ),
    "root_missing_dimensions": _error(
        "the root has no usable {missing}: the video is {outcome}",
        "write both in pixels, such as data-width='1920' data-height='1080'",
    ),
    "multiple_root_compositions": _error(
        "a second composition next to the root: only the first one is the video",
        "put it into the root, or mark the root with data-root='true'",
    ),
    "root_composition_missing_duration_source": _error(
        "the length of the video is unknown: no data-duration, no registered timeline, no media, no finite animation",
        "write data-duration in seconds on the root",
    ),
    "clip_outside_root": _warning(
        "a timed element outside of the root is not laid out as a clip, and may be outside of the picture",
        "move it into the root",
    ),
    "html_dir_attribute_breaks_render": _warning(
        "dir='{direction}' on <html> moves the origin of the page to the right in some renderers, which then show nothing",
        "put dir on the root or on the elements with the text",
    ),
    "duplicate_composition_id": _error(
        "'{id}' is the id of two compositions: only the first gets the timeline, and is found by references",
        "give each composition its own id",
    ),
    "host_missing_composition_id": _warning(
        "a host without data-composition-id is known by the id inside of its file only, the same for each host of that file",
        "give each host a data-composition-id",
    ),
    "missing_data_no_timeline": _warning(
        "no script registers a timeline for '{id}', and loading waits until none can come",
        "add data-no-timeline if no timeline is intended, else register window.__timelines['{id}']",
    ),
    "missing_or_empty_sub_composition": _error(
        "{src} {problem}",
        "data-composition-src is a path from the project's folder to a file with an element that has a data-composition-id",
    ),
    "sub_composition_cycle": _error(
        "{src} mounts itself, directly or through another file; the inner one is left out",
        "remove the host, or mount another file",
    ),
    "sub_composition_too_deep": _error(
        "{src} is mounted more than {depth} levels deep, and left out",
        "mount it higher up",
    ),
}

SCRIPTS = {
    "invalid_inline_script_syntax": _error(
        "the script cannot be parsed, so nothing of it runs: {problem}",
        "fix the syntax",
    ),
    "timeline_id_mismatch": _error(
        "a timeline is registered as '{id}', but no composition has that id; it moves only if it is the only timeline",
        "use the composition's data-composition-id, one of: {ids}",
    ),
    "gsap_timeline_not_registered": _error(
        "a GSAP timeline is made, but none is registered: {outcome}",
        "window.__timelines['{id}'] = the timeline, made with {{ paused: true }}",
    ),
    "gsap_infinite_repeat": _warning(
        "a repeat without end makes its timeline endless",
        "repeat as often as the clip's length needs: Math.ceil(length / one pass) - 1",
    ),
    "non_deterministic_code": _warning(
        "{what}: {stake}",
        "draw the numbers once while the page loads, from your own generator with a seed",
    ),
    "virtual_date": _warning(
        "{what} gives the virtual clock: composition time since 1 January 1970, never today",
        "for a date in the picture use a variable; for animation use the time of the frame",
    ),
    "requestanimationframe_in_composition": _error(_STATE, _FROM_TIME),
    "state_between_frames": _error(_STATE, _FROM_TIME),
    "animation_started_by_event": _error(
        "{what} starts an animation: a chunk that begins after this event gets it at its own first frame, so the animation "
        "starts at another time than in other chunks",
        "put all of it into one timeline, or give each animation its start as a delay",
    ),
    "event_never_comes": _warning(
        "the event {event} never comes in a render, so what it would start is never shown",
        "start it at a time of the video",
    ),
    "simulation_library": _error(
        "{name}() moves what it draws from frame to frame, and a chunk that starts later has not seen the frames "
        "before: what it shows differs from chunk to chunk, or is missing",
        "draw it from the time of the frame alone, or play a recording of it, such as a Lottie file or an animated picture",
    ),
    "missing_gsap_script": _error("gsap is used, but no script brings it", "add a <script src> with GSAP before it"),
    "missing_gsap_plugin": _error(
        "the GSAP plugin {name} is registered, but no script brings it",
        "add a <script src> with {name} before it",
    ),
    "missing_lottie_script": _error(
        "lottie is used, but no script brings it", "add a <script src> with lottie-web before it"
    ),
    "missing_three_script": _error(
        "THREE is used, but no script brings it", "add a <script src> with Three.js before it"
    ),
    "invalid_selector": _error(
        "'{selector}' is not a valid selector: the call throws",
        "each attribute has brackets of its own ([data-a][data-b]); quote values, escape special characters",
    ),
    "silent_analyser": _warning(
        "{name}() finds no sound, because sound does not play in a render: what it moves stands still",
        "compute levels from the samples that decodeAudioData gives, or keep them in a file, and choose them by the time of the frame",
    ),
    "imperative_media_control": _error(
        "{what} of a media element has no effect: pictures and sound are taken from the source by the time of the frame",
        "set when and what it plays with data-start, data-duration, data-media-start and data-playback-rate",
    ),
}

TIMING = {
    "invalid_timing_value": _error(
        "{name}='{text}' is {problem}: {outcome}",
        "write a plain number, in seconds if it is a time; data-start also takes an id, or an id with ' + ' or ' - ' and seconds",
    ),
    "invalid_frame_rate": _error(
        "data-fps of the root is not a frame rate: the video has 30 frames a second unless the render sets another rate; {problem}",
        "write a whole number from 1 to 240, or a rational such as 30000/1001",
    ),
    "unknown_start_reference": _error(
        "data-start refers to '{id}', which is not an id on this page: the element starts with what it is in",
        "use the id of an element, or of a composition",
    ),
    "start_reference_cycle": _error(
        "data-start references form a cycle: {names}", "give one of them a start in seconds"
    ),
    "deprecated_data_layer": _warning(
        "data-layer is ignored; neither it nor data-track-index decides what is drawn on top",
        "use data-track-index for the lane, and z-index or the order of elements for what is on top",
    ),
    "deprecated_data_end": _warning("data-end is a legacy input: {outcome}", "write data-duration instead"),
    "animation_before_clip": _warning(
        "the CSS animation {name} ends at {ends} s, but its clip is shown from {shown} s only, so it is never seen: "
        "CSS animations count from their own element's data-start, else from the start of the video",
        "put the animation on the clip itself, or give its element the same data-start, or an animation-delay",
    ),
    "timed_element_missing_clip_class": _warning(
        "a timed element without class='clip': it renders, but editors find clips by that class",
        "add class='clip'",
    ),
}

ASSETS = {
    "missing_local_asset": _error("{url} is not in the project (as {kind})", "add the file, or correct the path"),
    "audio_src_not_found": _error(
        "{url} is not in the project: the render ends with an error", "add the file, or correct the path"
    ),
    "invalid_parent_traversal_in_asset_path": _error(
        "{url} leads out of the project's folder, which is all that a render may see",
        "put the file into the project",
    ),
    "placeholder_media_url": _error("{url} is a placeholder that nothing replaced", "put in the real path"),
    "unloadable_media_variable_default": _error(
        "{url}, the default of a variable, is not in the project",
        "add the file, or correct the default",
    ),
}

MEDIA = {
    "media_missing_id": _warning(
        "media without id: it gets a numbered one, which changes when another is put before it",
        "give it an id",
    ),
    "duplicate_media_id": _warning(
        "'{id}' is the id of two media elements: scripts and references find the first only",
        "give each its own id",
    ),
    "media_missing_data_start": _warning(
        "media without data-start begins with its composition, and a video when its scene can be seen",
        "write data-start='0' if that is meant",
    ),
    "media_missing_src": _error("media without src shows and plays nothing", "add src, or a <source>, or data-var-src"),
    "self_closing_media_tag": _error(
        "<{name} /> does not close itself in HTML: all that follows becomes its content and is not shown",
        "write <{name} ...></{name}>",
    ),
    "video_missing_muted": _warning(
        "neither muted nor data-has-audio: the video's sound joins the mix",
        "add muted, or data-has-audio='true' if that is meant",
    ),
    "video_muted_with_declared_audio": _error(
        "muted, and data-has-audio='true': muted wins, and its sound is missing",
        "remove one of the two",
    ),
    "video_nested_in_timed_element": _warning(
        "a timed video in a timed element: its data-start still counts from the composition, and both windows must be open",
        "put the video next to the element, or check that both windows are meant",
    ),
    "base64_media_prohibited": _error(
        "media in a data: URL cannot be rendered",
        "put it into a file of the project",
    ),
    "nested_media_start_basis_ambiguous": _warning(
        "data-start='{start}' of media in a scene counts from the scene; older projects meant the start of the video",
        "write data-hf-media-start-basis='local' if that is right, else 'global'",
    ),
    "video_media_start_at_or_past_eof": _warning(
        "the video begins at {start} s of {url}, which ends at {end} s: its last frame is shown",
        "set an earlier data-media-start if that is not meant",
    ),
    "audio_media_start_at_or_past_eof": _warning(
        "the sound begins at {start} s of {url}, which ends at {end} s: nothing of it is heard",
        "set an earlier data-media-start",
    ),
    "audio_effects_invalid": _error(
        "{problem}: the render ends with an error",
        'write {{"version": 1, "nodes": [{{"id": "soft", "type": "gain", "params": {{"gain": -6}}}}]}}',
    ),
    "audio_lane_idle": _warning(
        "the lane '{target}' of data-automation changes nothing: no effect of the chain has this parameter, or it is fixed",
        "correct the target, or remove the lane",
    ),
    "unknown_audio_group": _warning(
        "data-audio-group='{id}' is not the id of an <hf-audio-group>: the sound is in no group",
        "add the group, or correct the id",
    ),
    "media_automation_invalid": _error(
        "{problem}: the render ends with an error",
        'write {{"version": 1, "lanes": [{{"target": "rate", "points": [{{"t": 0, "v": 1}}]}}]}}',
    ),
    "speed_ramp_on_non_media": _warning(
        "a lane 'rate' has an effect on <video> and <audio> only",
        "put it on the medium, or change the pace of an animation in its timeline",
    ),
    "media_preload_none": _warning("preload='none' keeps media from being ready; renders take it away", "remove it"),
    "media_crossorigin_breaks_preview": _warning(
        "crossorigin on media fails if the server sends no CORS headers, as in previews",
        "remove it",
    ),
    "video_audio_double_source": _error(
        "{source} is also a video with sound: it is heard twice",
        "mute the video, or remove the audio",
    ),
    "duplicate_audio_track": _warning("{source} plays twice from the same start", "remove one of the two"),
    "audio_volume_invalid": _warning(
        "data-volume='{text}' is not a number: the volume is 1", "write a number from 0 to 3.98"
    ),
    "audio_volume_out_of_range": _warning(
        "data-volume='{text}' is cut to the range from 0 to 3.98 (12 dB)",
        "write a number from 0 to 3.98",
    ),
    "audio_loop_ignored": _warning(
        "loop on <audio> is ignored: it plays once", "repeat the element, or use a longer file"
    ),
}

VARIABLES = {
    "invalid_variable_values_json": _error(
        "data-variable-values is not a JSON object: the composition gets its defaults",
        "write it as '{{\"id\": value}}'",
    ),
    "invalid_composition_variables_declaration": _error(
        "data-composition-variables is invalid: {problem}",
        'write a JSON array of {{"id", "type", "label", "default"}}',
    ),
    "unknown_variable_binding": _warning(
        "{name}='{id}' is bound to no declared variable", "declare it, or correct the id"
    ),
    "undeclared_variable": _warning(
        "the variable '{id}' is not declared by the composition", "declare it, or correct the id"
    ),
    "variable_type_mismatch": _warning("the value of the variable '{id}' is not {wanted}", "give a value of that type"),
}

COST = {
    "expensive_blur": _warning(
        "a blur of {radius} px over {percent} of the picture, drawn anew in each frame", _REPAINT
    ),
    "expensive_backdrop_filter": _warning(
        "backdrop-filter over {percent} of the picture is drawn on a separate layer: slow, and at seams between chunks its "
        "edges may differ",
        "use a translucent background, or a picture that has the effect drawn in",
    ),
    "expensive_box_shadow": _warning("a shadow of {radius} px around {percent} of the picture", _REPAINT),
    "expensive_blend_mode": _warning(
        "mix-blend-mode: {blend} over {percent} of the picture reads back all that is below it",
        "blend smaller elements, or use plain opacity",
    ),
    "many_filters": _warning(
        "{count} elements have filters, and each is first drawn to a separate picture",
        "filter a common parent, or fewer elements",
    ),
    "expensive_image": _warning(
        "{url} has {width} x {height} pixels, {times} times the video's pixels: {megabytes} MB when decoded",
        "scale it down to what is shown",
    ),
}

RULES: dict[str, Rule] = {**ROOT, **SCRIPTS, **TIMING, **ASSETS, **MEDIA, **VARIABLES, **COST}
"""Every code that a check can report."""


def finding_of(
    code: str,
    file: str,
    line: int | None = None,
    element: str | None = None,
    severity: str | None = None,
    **detail: Any,
) -> Finding:
    """Return a finding of a known code; ``severity`` is the rule's by default."""
    rule = RULES[code]
    return Finding(
        code=code,
        severity="error" if (severity or rule.severity) == "error" else "warning",
        file=file,
        line=line,
        element=element or None,
        message=rule.message.format(**detail),
        remedy=rule.remedy.format(**detail),
    )
