// Reads one document of a project for `hfdask check` (docs/check.md). It runs in a blank page whose policy forbids loading
// and scripts, and writes the document into a frame of it. So the browser's own parser, style engine and layout answer, as in
// a render, and no author code runs. The host checks scripts and files; checks that need a DOM are here.

const TIMED = "[data-start]";
const MEDIA = "video,audio";
const GROUP = "hf-audio-group";
const HOST = "[data-composition-src]";
const NOT_VISUAL = "script,style,link,meta";
const COMPOSITION = "[data-composition-id]";
const SIZED = "[data-composition-id],[data-composition-src],[data-composition-id] > [data-start]";
const WINDOWED = `${TIMED},${COMPOSITION},${HOST},${MEDIA}`;
const CSS_URL = /url\("((?:[^"\\]|\\.)*)"\)/g;
const FACE_SOURCE = /local\(|url\("((?:[^"\\]|\\.)*)"\)(?:\s*format\(([^)]*)\))?/g;
const UNKNOWN_FORMATS = /embedded-opentype|svg/;
const BEGIN_EVENT = /(?:^|[;.\s])((?:dbl)?click|mouse[a-z]+|pointer[a-z]+|focusin|focusout|key[a-z]+)\b/;
const HANDLER = /^on((?:dbl)?click|mouse[a-z]+|pointer[a-z]+|focus|blur|key[a-z]+|scroll|input|change)$/;
const STARTS = /\.(?:play|restart|animate|begin(?:Element)?)\(|\bgsap\.|\.animation\b|\bclass(?:List|Name)\b/;
const MAX_CHAIN = 500; // references, one after another, that are followed
const PLACEHOLDER = /__[A-Z][A-Z0-9_]*__|\{\{.*?\}\}|\$\{.*?\}|<<.*?>>/;
const SCRIPT_TYPES = new Set(["", "module", "text/javascript", "application/javascript", "text/ecmascript"]);
const VARIABLE_TYPES = ["string", "number", "color", "boolean", "enum", "font", "image"];

// From these values on, a style was measured to add between a sixth (shadow) and the whole (backdrop) of a frame's time, when
// drawn in software.
const COSTLY = {
  blur: 12,
  blurShare: 0.2,
  backdropShare: 0.02,
  shadow: 40,
  shadowShare: 0.2,
  blendShare: 0.2,
  filters: 12,
};

async function moduleError(source) {
  // An import that cannot be resolved comes after the parser and before the first statement: the module never runs.
  const text = `${source}\nimport "hfdask-resolves-nothing";`;
  const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  try {
    await import(url);
  } catch (error) {
    return error instanceof SyntaxError ? error.message : null;
  } finally {
    URL.revokeObjectURL(url);
  }
  return null;
}

function inspect(html, { role, width, height, sheets }) {
  const frame = document.createElement("iframe");
  frame.style.cssText = `position:absolute;border:0;width:${width}px;height:${height}px`;
  document.body.append(frame);
  try {
    const doc = frame.contentDocument;
    doc.open();
    doc.write(html);
    doc.close();
    return new Inspection(doc, { role, width, height, sheets }).run();
  } finally {
    frame.remove();
  }
}

function validSelectors(selectors) {
  return selectors.map((selector) => CSS.supports(`selector(${selector})`) || isList(selector));
}

const unquoted = (family) =>
  family
    .trim()
    .replace(/^["']|["']$/g, "")
    .toLowerCase();

function isList(selector) {
  try {
    document.createDocumentFragment().querySelector(selector);
    return true;
  } catch {
    return false;
  }
}

function sourceOf(element) {
  const source = element.getAttribute("src") ?? element.querySelector("source[src]")?.getAttribute("src") ?? "";
  return source.trim();
}

class Inspection {
  constructor(doc, options) {
    this.doc = doc;
    this.role = options.role;
    this.width = options.width;
    this.height = options.height;
    this.sheets = options.sheets;
    this.findings = [];
    this.urls = [];
    this.faces = [];
    this.timed = [];
    this.references = [];
    this.declared = [];
    this.scopes = new Map(); // hosts of templates → the id that the template's scripts know them by
    this.where = new Map();
    this.base = doc.querySelector("base[href]");
    this.remember(doc);
    this.mount();
    this.elements = [...doc.querySelectorAll("*")];
    this.compositions = [...doc.querySelectorAll(COMPOSITION)];
    this.root = this.compositions.find((e) => e.getAttribute("data-root") === "true") ?? this.compositions[0] ?? null;
    if (this.root && this.role === "entry") this.resize();
    this.starts = new Map();
    this.ids = new Map(this.elements.filter(idOf).map((element) => /** @type {const} */ ([idOf(element), element])));
  }

  // The host finds lines by an element's tag, its attributes, and its number among equal ones.
  remember(node, seen = new Map()) {
    for (const element of node.querySelectorAll("*")) {
      const attributes = [...element.attributes].map(({ name, value }) => [name.toLowerCase(), value]);
      const key = JSON.stringify([element.localName.toLowerCase(), attributes.sort(([a], [b]) => (a < b ? -1 : 1))]);
      const nth = seen.get(key) ?? 0;
      seen.set(key, nth + 1);
      this.where.set(element, { key, nth, tag: openingTag(element) });
      if (isTemplate(element)) this.remember(element.content, seen);
    }
  }

  // Templates are content if a composition comes from one: a file's first template, or the one with the name of an empty host.
  mount() {
    const { doc } = this;
    const first = [...doc.querySelectorAll("template")].find(isTemplate);
    if (this.role === "sub" && first) {
      for (const element of doc.head.querySelectorAll("style,script")) element.remove();
      doc.body.replaceChildren(first.content);
    }
    if (this.role === "sub") {
      for (const around of [doc.documentElement, doc.body]) around.removeAttribute("data-composition-id"); // only their content is mounted
    }
    for (const template of [...doc.querySelectorAll('template[id$="-template"]')].filter(isTemplate)) {
      const id = template.id.slice(0, -"-template".length);
      const host = doc.querySelector(`[data-composition-id="${CSS.escape(id)}"]`);
      if (!host || host.childElementCount) continue;
      this.scopes.set(host, declaredIn(template.content, id));
      host.append(template.content);
    }
    for (const link of doc.querySelectorAll('link[rel~="stylesheet"][href]')) {
      const text = this.sheets?.[link.getAttribute("href")];
      if (text === undefined) continue;
      const style = doc.createElement("style");
      style.textContent = text;
      style.media = link.media;
      link.after(style);
      this.where.set(style, { ...this.where.get(link), sheet: link.getAttribute("href") });
    }
  }

  at(element) {
    return this.where.get(element) ?? { key: "", nth: 0, tag: openingTag(element) };
  }

  add(code, element, detail = {}) {
    this.findings.push({ code, at: element ? this.at(element) : null, detail });
  }

  run() {
    if (this.role === "entry") this.checkRoot();
    if (this.role !== "frame") {
      this.checkCompositions();
      this.checkTiming();
      this.checkEvents();
      this.checkMedia();
      this.checkVariables();
    }
    this.collectUrls();
    this.readStyles();
    this.checkCost();
    this.collectAnimations();
    return this.answer();
  }

  resize() {
    this.width = pixelsOf(this.root, "data-width") ?? 1080;
    this.height = pixelsOf(this.root, "data-height") ?? 1920;
    const frame = this.doc.defaultView.frameElement;
    Object.assign(frame.style, { width: `${this.width}px`, height: `${this.height}px` });
  }

  answer() {
    return {
      findings: this.findings,
      urls: this.urls,
      scripts: [...this.doc.scripts].filter(runs).map((script) => ({
        at: this.at(script),
        src: script.getAttribute("src"),
        module: script.type.trim().toLowerCase() === "module",
        text: script.text,
        late: this.comesLate(script),
      })),
      base: this.base?.getAttribute("href") ?? null,
      imports: Object.assign({}, ...[...this.doc.querySelectorAll("script[type=importmap]")].map(importsOf)),
      hosts: [...this.doc.querySelectorAll(HOST)].map((host) => ({
        at: this.at(host),
        src: host.getAttribute("data-composition-src").trim(),
        start: this.startOf(host),
        values: jsonObject(host.getAttribute("data-variable-values")),
        placeholder: PLACEHOLDER.test(host.getAttribute("data-composition-src")),
      })),
      compositions: this.compositions.map((element) => ({
        at: this.at(element),
        id: element.getAttribute("data-composition-id"),
        isRoot: element === this.root,
        noTimeline: element.hasAttribute("data-no-timeline"),
        src: element.getAttribute("data-composition-src"),
        declared: this.scopes.get(element) ?? null,
      })),
      ids: [...this.elements.map(idOf), ...this.compositions.map(nameOf)].filter(Boolean),
      references: this.references,
      faces: this.faces.map(({ family, sources }) => ({ family, sources, used: this.asksFor(family) })),
      animations: this.timed,
      fps: this.root?.getAttribute("data-fps")
        ? { at: this.at(this.root), text: this.root.getAttribute("data-fps") }
        : null,
      variables: this.declared.map(({ id, type, options }) => ({
        id,
        type,
        values: Array.isArray(options)
          ? options.map((option) => option?.value).filter((value) => value !== undefined)
          : null,
      })),
      media: [...this.doc.querySelectorAll(MEDIA)].map((element) => element.id).filter(Boolean),
      inPoints: this.inPoints(),
      effects: this.effects(),
      duration: Boolean(this.root) && durationOf(this.root) > 0,
      finite: this.animations || this.doc.querySelector(`${MEDIA},${HOST}`) !== null || this.childWindows(),
      size: this.root ? [pixelsOf(this.root, "data-width") ?? 1080, pixelsOf(this.root, "data-height") ?? 1920] : null,
      sheets: [...this.doc.querySelectorAll('link[rel~="stylesheet"][href]')].map((link) => ({
        url: link.getAttribute("href"),
        late: this.comesLate(link),
      })),
    };
  }

  // Sounds, and videos that are shown for a given time, from a time of their source on that may lie past its end.
  inPoints() {
    return [...this.doc.querySelectorAll(MEDIA)]
      .filter((medium) => medium.localName === "audio" || (durationOf(medium) > 0 && !medium.hasAttribute("loop")))
      .map((medium) => ({
        at: this.at(medium),
        tag: medium.localName,
        url: sourceOf(medium),
        seconds: inPoint(medium),
        late: this.comesLate(medium),
      }))
      .filter(({ url, seconds }) => url && seconds > 0);
  }

  // The effects and lanes of everything that sounds. `rampOf` checks the lanes of media.
  effects() {
    const elements = [...this.doc.querySelectorAll(`${MEDIA},${GROUP}`), ...(this.root ? [this.root] : [])];
    return elements
      .map((element) => ({
        at: this.at(element),
        chain: element.getAttribute("data-fx-chain"),
        automation: element.getAttribute("data-automation"),
        isRead: element.matches(MEDIA),
      }))
      .filter(({ chain, automation }) => chain !== null || automation !== null);
  }

  childWindows() {
    return this.compositions.some((element) => element !== this.root && durationOf(element) > 0);
  }

  checkRoot() {
    const { doc, root } = this;
    if (!root) {
      const inside = [...doc.querySelectorAll("template")].find((t) => t.content?.querySelector(COMPOSITION));
      const sought = [...doc.scripts].some((script) => /\b__hf\b/.test(script.text)); // a page that is sought by its own means
      if (inside) this.add("standalone_composition_wrapped_in_template", inside);
      else if (!sought)
        this.add("root_missing_composition_id", doc.body.querySelector("[data-width],[data-height],#root,#stage"));
      return;
    }
    const defaults = { "data-width": "1080 pixels wide", "data-height": "1920 pixels high" };
    const lacking = Object.keys(defaults).filter((name) => pixelsOf(root, name) === null);
    if (lacking.length) {
      const written = (name) =>
        root.hasAttribute(name) ? `${name} ('${root.getAttribute(name)}' is not a number above 0)` : name;
      const [missing, outcome] = [lacking.map(written), lacking.map((name) => defaults[name])].map((texts) =>
        texts.join(" and "),
      );
      this.add("root_missing_dimensions", root, { missing, outcome });
    }
    const outer = this.compositions.filter((e) => !e.parentElement?.closest(COMPOSITION));
    if (outer.length > 1 && !outer.some((e) => e.getAttribute("data-root") === "true")) {
      for (const other of outer.slice(1)) this.add("multiple_root_compositions", other);
    }
    for (const element of this.elements.filter((e) => e.matches(TIMED) && !root.contains(e) && !e.contains(root))) {
      if (!element.matches(NOT_VISUAL) && !element.closest(COMPOSITION)) this.add("clip_outside_root", element);
    }
    const direction = doc.documentElement.getAttribute("dir")?.trim().toLowerCase();
    if (["rtl", "auto"].includes(direction)) {
      this.add("html_dir_attribute_breaks_render", doc.documentElement, { direction });
    }
  }

  checkCompositions() {
    const seen = new Set();
    for (const element of this.compositions) {
      const id = element.getAttribute("data-composition-id");
      if (seen.has(id) && !element.matches(HOST)) this.add("duplicate_composition_id", element, { id });
      seen.add(id);
    }
    for (const host of this.doc.querySelectorAll(HOST)) {
      if (!host.getAttribute("data-composition-id")) this.add("host_missing_composition_id", host);
      const values = host.getAttribute("data-variable-values");
      if (values !== null && jsonObject(values) === null) this.add("invalid_variable_values_json", host);
    }
  }

  checkTiming() {
    for (const element of this.elements) {
      if (!element.matches(WINDOWED)) continue; // elsewhere these names are the author's own
      if (element.hasAttribute("data-layer")) this.add("deprecated_data_layer", element);
      if (element.hasAttribute("data-end")) this.checkEnd(element);
      this.checkNumbers(element);
    }
    for (const element of this.doc.querySelectorAll(TIMED)) {
      if (element.matches(NOT_VISUAL)) continue;
      this.checkStart(element);
      const ordinary = !element.matches(`${MEDIA},${COMPOSITION},${HOST}`);
      if (ordinary && !element.classList.contains("clip")) this.add("timed_element_missing_clip_class", element);
    }
    this.checkCycles();
  }

  checkEnd(element) {
    const [start, length, end] = ["data-start", "data-duration", "data-end"].map((n) =>
      strictNumber(element.getAttribute(n)),
    );
    const known = start !== null && length !== null && end !== null;
    const wrong = known && Math.abs(start + length - end) > 1e-9;
    const outcome = wrong
      ? `it says ${end} s, but data-duration wins and the clip ends at ${start + length} s`
      : "editors write data-duration";
    this.add("deprecated_data_end", element, { outcome });
  }

  // Numbers that are read of an element, and what a render does if they are invalid.
  checkNumbers(element) {
    const isRoot = element === this.root && this.role === "entry";
    const known = strictNumber(element.getAttribute("data-end")) !== null;
    const length = known ? "its data-end counts instead" : "it shows for as long as what is in it, or around it, does";
    const outcomes = {
      "data-duration": isRoot ? "the video is as long as what is in it" : length,
      "data-end": "it is ignored",
      "data-media-start": "it plays from its beginning",
      "data-playback-start": "it plays from its beginning",
      "data-playback-rate": "it plays at a rate of 1",
    };
    if (isRoot) outcomes["data-composition-duration"] = outcomes["data-duration"];
    for (const [name, outcome] of Object.entries(outcomes)) {
      const from = name.endsWith("-start") ? "of at least 0" : "above 0";
      const value = strictNumber(element.getAttribute(name));
      const good = value !== null && (from === "above 0" ? value > 0 : value >= 0);
      if (!good && element.hasAttribute(name)) this.invalid(element, name, `not a number ${from}`, outcome);
    }
    if (isRoot || !element.matches(SIZED)) return;
    for (const name of ["data-width", "data-height"]) {
      if (element.hasAttribute(name) && pixelsOf(element, name) === null) {
        this.invalid(element, name, "not a number above 0", "its size comes from its style");
      }
    }
  }

  invalid(element, name, problem, outcome) {
    this.add("invalid_timing_value", element, { name, text: element.getAttribute(name), problem, outcome });
  }

  checkStart(element) {
    const text = element.getAttribute("data-start");
    const parsed = parseStart(text);
    const outcome = "it starts with what it is in";
    if (parsed === null && text.trim())
      this.invalid(element, "data-start", "neither a number of seconds nor an element's id", outcome);
    else if (parsed?.seconds < 0 && !element.matches(MEDIA))
      this.invalid(element, "data-start", "less than 0", outcome);
    else if (parsed?.id && !this.target(parsed.id)) this.references.push({ at: this.at(element), id: parsed.id });
  }

  // Animations that only a user's event starts: in SMIL, and in attributes with a script.
  checkEvents() {
    for (const element of this.doc.querySelectorAll("animate,animateMotion,animateTransform,set")) {
      const [, event] = BEGIN_EVENT.exec(element.getAttribute("begin") ?? "") ?? [];
      if (event) this.add("event_never_comes", element, { event });
    }
    for (const element of this.elements) {
      for (const { name, value } of element.attributes) {
        const [, event] = HANDLER.exec(name) ?? [];
        if (event && STARTS.test(value)) this.add("event_never_comes", element, { event });
      }
    }
  }

  target(id) {
    return this.ids.get(id) ?? this.compositions.find((e) => e.getAttribute("data-composition-id") === id) ?? null;
  }

  checkCycles() {
    const told = new Set();
    for (const element of this.doc.querySelectorAll(TIMED)) {
      const trail = [];
      let next = element;
      while (next && !trail.includes(next)) {
        trail.push(next);
        const id = parseStart(next.getAttribute("data-start"))?.id;
        next = id ? this.target(id) : null;
      }
      if (next === element && !told.has(element)) {
        for (const member of trail) told.add(member);
        const names = [...trail, element].map((e) => e.id || e.getAttribute("data-composition-id")).join(" → ");
        this.add("start_reference_cycle", element, { names });
      }
    }
  }

  checkMedia() {
    const seen = new Map();
    for (const element of this.doc.querySelectorAll(MEDIA)) {
      const has = (name) => element.hasAttribute(name);
      const source = sourceOf(element);
      if (!element.id) this.add("media_missing_id", element);
      else if (seen.has(element.id)) this.add("duplicate_media_id", element, { id: element.id });
      seen.set(element.id, element);
      if (!has("data-start")) this.add("media_missing_data_start", element);
      if (!source && !has("data-var-src")) this.add("media_missing_src", element);
      if (/^data:/i.test(source)) this.add("base64_media_prohibited", element);
      if (element.getAttribute("preload") === "none") this.add("media_preload_none", element);
      if (has("crossorigin")) this.add("media_crossorigin_breaks_preview", element);
      const { problem } = rampOf(element);
      if (problem) this.add("media_automation_invalid", element, { problem });
      const isLocal = this.role === "sub" && !has("data-hf-media-start-basis");
      const start = strictNumber(element.getAttribute("data-start"));
      if (isLocal && start) this.add("nested_media_start_basis_ambiguous", element, { start });
      if (element.localName === "video") this.checkVideo(element, has);
      else if (has("loop")) this.add("audio_loop_ignored", element);
      this.checkVolume(element);
    }
    for (const element of this.doc.querySelectorAll(GROUP)) this.checkVolume(element);
    if (this.role === "entry") this.checkGroups();
    for (const element of this.doc.querySelectorAll("[data-automation]")) {
      if (!element.matches(MEDIA) && rampOf(element).points.length) this.add("speed_ramp_on_non_media", element);
    }
    this.checkDoubles();
  }

  checkVideo(element, has) {
    if (!has("muted") && !has("data-has-audio")) this.add("video_missing_muted", element);
    if (has("muted") && element.getAttribute("data-has-audio") === "true")
      this.add("video_muted_with_declared_audio", element);
    const above = element.parentElement?.closest(TIMED);
    if (has("data-start") && above && !above.matches(COMPOSITION)) this.add("video_nested_in_timed_element", element);
  }

  checkVolume(element) {
    const text = element.getAttribute("data-volume");
    if (text === null) return;
    const value = strictNumber(text);
    if (value === null) this.add("audio_volume_invalid", element, { text });
    else if (value < 0 || value > 10 ** (12 / 20)) this.add("audio_volume_out_of_range", element, { text });
  }

  // Groups of a page that mounts scenes may be in other files.
  checkGroups() {
    for (const element of this.doc.querySelectorAll("[data-audio-group]")) {
      const id = element.getAttribute("data-audio-group").trim();
      const groups = [...this.doc.querySelectorAll(GROUP)];
      if (id && !groups.some((group) => group.id === id)) this.add("unknown_audio_group", element, { id });
    }
  }

  checkDoubles() {
    const audible = [...this.doc.querySelectorAll("video")].filter(
      (e) => !e.hasAttribute("muted") && [null, "true"].includes(e.getAttribute("data-has-audio")),
    );
    const tracks = new Set();
    for (const audio of this.doc.querySelectorAll("audio")) {
      const source = sourceOf(audio);
      if (!source) continue;
      if (audible.some((video) => sourceOf(video) === source)) this.add("video_audio_double_source", audio, { source });
      const track = JSON.stringify([source, audio.getAttribute("data-start")?.trim() ?? "0"]);
      if (tracks.has(track)) this.add("duplicate_audio_track", audio, { source });
      tracks.add(track);
    }
  }

  checkVariables() {
    for (const carrier of this.doc.querySelectorAll("[data-composition-variables]")) {
      const problem = this.declarations(carrier);
      if (problem) this.add("invalid_composition_variables_declaration", carrier, { problem });
    }
    const known = new Map(this.declared.map((item) => [item.id, item]));
    for (const element of this.doc.querySelectorAll("[data-var-text],[data-var-src]")) {
      for (const name of ["data-var-text", "data-var-src"]) {
        const id = element.getAttribute(name);
        if (id !== null && !known.has(id)) this.add("unknown_variable_binding", element, { name, id });
      }
    }
  }

  declarations(carrier) {
    let list;
    try {
      list = JSON.parse(carrier.getAttribute("data-composition-variables"));
    } catch (error) {
      return error.message;
    }
    if (!Array.isArray(list)) return "it must be an array of {id, type, label, default}";
    for (const item of list) {
      if (typeof item?.id !== "string" || !item.id) return `${JSON.stringify(item)} has no id`;
      this.declared.push(item);
      if (!VARIABLE_TYPES.includes(item.type))
        return `"${item.id}" has the type ${JSON.stringify(item.type)}; known are ${VARIABLE_TYPES.join(", ")}`;
      if (item.type === "enum" && !Array.isArray(item.options)) return `"${item.id}" is an enum without options`;
      const url = item.type === "image" ? (item.default?.url ?? item.default) : null;
      if (typeof url === "string" && url) this.url(url, carrier, "variable");
    }
    return null;
  }

  url(text, element, kind, sheet = null) {
    const use = this.use(text, element, kind, sheet);
    if (use) this.urls.push(use);
  }

  use(text, element, kind, sheet) {
    const url = text.trim();
    if (!url || url.startsWith("#")) return null;
    if (PLACEHOLDER.test(url)) {
      if (kind !== "composition") this.add("placeholder_media_url", element, { url });
      return null;
    }
    // CSS keeps no positions, so this takes the first place of the URL in the sheet.
    const before = element.localName === "style" ? element.textContent.split(url) : [];
    const row = before.length > 1 ? before[0].split("\n").length - 1 : null;
    return { url, kind, sheet, row, late: this.comesLate(element), at: this.at(element) };
  }

  // Whether a <base> applies: scripts and style sheets before it are requested before the parser reaches it.
  comesLate(element) {
    const early = this.base && element.matches("script,link") && element.compareDocumentPosition(this.base);
    return !(early & Node.DOCUMENT_POSITION_FOLLOWING);
  }

  collectUrls() {
    for (const [selector, name, kind] of [
      ["img[src],input[type=image][src]", "src", "image"],
      ["embed[src]", "src", "embed"],
      ["track[src]", "src", "track"],
      ["video[src],video > source[src]", "src", "video"],
      ["audio[src],audio > source[src]", "src", "audio"],
      ["video[poster]", "poster", "image"],
      ["script[src]", "src", "script"],
      ["iframe[src]", "src", "frame"],
      ["object[data]", "data", "object"],
      ['link[rel~="stylesheet"][href]', "href", "style sheet"],
      ["image[href],use[href],feImage[href]", "href", "image"],
      ["image,use,feImage", "xlink:href", "image"],
    ]) {
      for (const element of this.doc.querySelectorAll(selector)) {
        if (!element.hasAttribute(name) || element.closest("noscript") || (kind === "script" && !runs(element)))
          continue;
        this.url(element.getAttribute(name), element, kind);
      }
    }
    for (const element of this.doc.querySelectorAll("img[srcset],source[srcset]")) {
      for (const url of candidates(element.getAttribute("srcset"))) this.url(url, element, "image");
    }
  }

  readStyles() {
    this.animations = false;
    this.costly = [];
    this.keyframes = new Map();
    for (const sheet of this.doc.styleSheets) {
      if (sheet.ownerNode.localName !== "style") continue; // a link, which loads nothing here: `mount` has put its text in
      if (!this.applies(sheet.media)) continue;
      this.readRules(sheet.cssRules, sheet.ownerNode, this.where.get(sheet.ownerNode)?.sheet ?? null);
    }
    for (const element of this.doc.querySelectorAll("[style]")) {
      this.readDeclarations(element.style, element, null, "");
      if (element.style.animationName && this.finite(element.style)) this.animations = true;
    }
  }

  readRules(rules, owner, sheet) {
    for (const rule of rules) {
      if (rule instanceof owner.ownerDocument.defaultView.CSSImportRule) {
        if (rule.supportsText === null || CSS.supports(rule.supportsText))
          this.url(rule.href, owner, "style sheet", sheet);
        continue;
      }
      if (rule.constructor.name === "CSSMediaRule" && !this.applies(rule.media)) continue;
      if (rule.constructor.name === "CSSSupportsRule" && !CSS.supports(rule.conditionText)) continue;
      if (rule.constructor.name === "CSSFontFaceRule") this.readFace(rule.style, owner, sheet);
      else if (rule.style) this.readDeclarations(rule.style, owner, sheet, rule.selectorText ?? "");
      if (rule.style?.animationName && this.finite(rule.style)) this.animations = true;
      if (rule.constructor.name === "CSSKeyframesRule") {
        const filters = [...rule.cssRules].map((frame) => frame.style.filter).filter((text) => text.includes("blur("));
        if (filters.length) this.keyframes.set(rule.name, filters.join(" "));
      }
      if (rule.cssRules) this.readRules(rule.cssRules, owner, sheet);
    }
  }

  finite(style) {
    return (
      !style.animationIterationCount || style.animationIterationCount.split(",").some((c) => c.trim() !== "infinite")
    );
  }

  applies(media) {
    return this.doc.defaultView.matchMedia(media.mediaText || "all").matches;
  }

  // A page requests the sources of a face in turn, until one exists.
  readFace(style, owner, sheet) {
    const sources = [...style.getPropertyValue("src").matchAll(FACE_SOURCE)].map(([, url, format]) => {
      if (url === undefined) return { local: true };
      return UNKNOWN_FORMATS.test(format ?? "") ? null : this.use(unescaped(url), owner, "font", sheet);
    });
    this.faces.push({ family: unquoted(style.getPropertyValue("font-family")), sources: sources.filter(Boolean) });
  }

  // As the runtime judges a face that cannot be loaded (choices.js). Null if other documents may ask for it:
  // a page and its scenes share their faces.
  asksFor(family) {
    if (this.role !== "entry" || this.doc.querySelector(HOST)) return null;
    const view = this.doc.defaultView;
    const names = (style) => style.fontFamily.split(",").some((name) => unquoted(name) === family);
    const asks = (element) =>
      [null, "::before", "::after"].some((pseudo) => names(view.getComputedStyle(element, pseudo)));
    const paints = this.doc.querySelector("canvas") !== null;
    const scripts = [...this.doc.scripts];
    return (
      this.elements.some((element) => element.localName.includes("-") || element.shadowRoot || asks(element)) ||
      scripts.some(({ src, text }) => (src && paints) || text.toLowerCase().includes(family))
    );
  }

  readDeclarations(style, owner, sheet, selector) {
    const text = style.cssText;
    if (this.isUsed(selector)) {
      for (const [, url] of text.matchAll(CSS_URL)) this.url(unescaped(url), owner, "style", sheet);
    }
    if (/(?:filter|box-shadow|mix-blend-mode|animation(?:-name)?):/.test(text)) this.costly.push(selector || owner);
  }

  // Whether a page requests a picture of a rule: not if no element matches it. Nested selectors are not followed.
  isUsed(selector) {
    const plain = selector.replace(
      /::?(?:before|after|marker|backdrop|placeholder|selection|first-l(?:ine|etter))\b/g,
      "",
    );
    if (plain === "" || selector.includes("&") || plain.trim() !== plain || /(?:^|[\s,>+~])(?:,|$)/.test(plain))
      return true;
    return !isList(plain) || this.doc.querySelector(plain) !== null;
  }

  // Layout is computed only if some style could be expensive.
  checkCost() {
    const suspects = new Set();
    for (const item of this.costly) {
      if (typeof item !== "string") suspects.add(item);
      else if (isList(item)) for (const element of this.doc.querySelectorAll(item)) suspects.add(element);
    }
    if (!suspects.size) return;
    const root = this.root ?? this.doc.body;
    for (const name of ["width", "height"]) root.style?.setProperty(name, `${this[name]}px`);
    let filters = 0;
    for (const element of suspects) {
      if (element.matches?.(NOT_VISUAL)) continue;
      filters += this.cost(element, this.doc.defaultView.getComputedStyle(element)) ? 1 : 0;
    }
    if (filters > COSTLY.filters) this.add("many_filters", root, { count: filters });
  }

  // Whether the element has a filter of any kind.
  cost(element, style) {
    const share = this.share(element);
    const percent = `${Math.round(share * 100)} %`;
    const moving = style.animationName
      .split(",")
      .map((name) => this.keyframes.get(name.trim()) ?? "")
      .join(" ");
    const radius = Math.max(
      0,
      ...[...`${style.filter} ${moving}`.matchAll(/blur\(([\d.]+)px\)/g)].map(([, r]) => Number(r)),
    );
    if (radius >= COSTLY.blur && share >= COSTLY.blurShare) this.add("expensive_blur", element, { radius, percent });
    const backdrop = style.backdropFilter || "none";
    if (backdrop !== "none" && share >= COSTLY.backdropShare)
      this.add("expensive_backdrop_filter", element, { percent });
    const blurs = style.boxShadow === "none" ? [] : [...style.boxShadow.matchAll(/-?[\d.]+px -?[\d.]+px ([\d.]+)px/g)];
    const spread = Math.max(0, ...blurs.map(([, blur]) => Number(blur)));
    if (spread >= COSTLY.shadow && share >= COSTLY.shadowShare)
      this.add("expensive_box_shadow", element, { radius: spread, percent });
    const blend = style.mixBlendMode;
    if (blend !== "normal" && share >= COSTLY.blendShare) this.add("expensive_blend_mode", element, { blend, percent });
    return style.filter !== "none" || backdrop !== "none";
  }

  // Finite CSS animations: the time from which their clips show, and if they count from their own start. Other animations count
  // from the start of the video, which only the host knows.
  // When an element starts in its document, as far as attributes say: lengths that scripts set are not known here.
  startOf(element, depth = 0) {
    if (element === this.root || depth > MAX_CHAIN) return 0;
    if (!this.starts.has(element)) {
      this.starts.set(element, 0); // for the case that it is met again, in a cycle
      this.starts.set(element, this.findStart(element, depth + 1));
    }
    return this.starts.get(element);
  }

  findStart(element, depth) {
    const parsed = parseStart(element.getAttribute("data-start"));
    const above = element.parentElement?.closest(COMPOSITION) ?? null;
    const from = above ? this.startOf(above, depth) : 0;
    if (parsed === null) return from;
    if ("seconds" in parsed) return from + Math.max(0, parsed.seconds);
    const target = this.target(parsed.id);
    if (!target) return from;
    const start = this.startOf(target, depth);
    const end = strictNumber(target.getAttribute("data-end"));
    const length =
      durationOf(target) ?? (end === null ? 0 : end - (strictNumber(target.getAttribute("data-start")) ?? start));
    return Math.max(0, start + Math.max(0, length) + parsed.offset);
  }

  collectAnimations() {
    if (!this.animations || !this.root) return;
    for (const animation of this.doc.getAnimations()) {
      const { target } = animation.effect ?? {};
      const { endTime, activeDuration } = animation.effect?.getComputedTiming() ?? {};
      const plain = animation.timeline === this.doc.timeline && animation.playState !== "paused";
      if (!plain || !target || !animation.animationName || !(activeDuration > 0 && Number.isFinite(endTime))) continue;
      const clips = [];
      for (let clip = target.closest(TIMED); clip && clip !== this.root; clip = clip.parentElement?.closest(TIMED))
        clips.push(clip);
      const own = clips[0] === target;
      const ends = endTime / 1000 + (own ? this.startOf(target) : 0);
      const shown = Math.max(0, ...clips.map((clip) => this.startOf(clip)));
      this.timed.push({ at: this.at(target), name: animation.animationName, own, ends, shown });
    }
  }

  share(element) {
    const box = element.getBoundingClientRect();
    const side = (from, to, size) => Math.max(0, Math.min(to, size) - Math.max(from, 0));
    return (
      (side(box.left, box.right, this.width) * side(box.top, box.bottom, this.height)) / (this.width * this.height)
    );
  }
}

// HTML's element, and not one of that name in SVG.
function isTemplate(element) {
  return element.localName === "template" && Boolean(element.content);
}

function openingTag(element) {
  const html = element.cloneNode(false).outerHTML;
  const tag = html.slice(
    0,
    html.length - (html.endsWith(`</${element.localName}>`) ? element.localName.length + 3 : 0),
  );
  return tag.length > 160 ? `${tag.slice(0, 157)}...` : tag;
}

function pixelsOf(element, name) {
  const value = parseFloat(element.getAttribute(name));
  return Number.isFinite(value) && value > 0 ? value : null;
}

function durationOf(element) {
  return numberAttribute(element, "data-duration", "data-composition-duration");
}

function isObject(value) {
  return Boolean(value) && typeof value === "object" && !Array.isArray(value);
}

function jsonObject(text) {
  try {
    const value = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

// A form whose field is named "id" hides its own one.
const { getAttribute } = Element.prototype;
const idOf = (element) => getAttribute.call(element, "id");

function nameOf(composition) {
  return composition.getAttribute("data-composition-id");
}

// Return true if this browser runs a script element.
function runs(script) {
  const type = script.type.trim().toLowerCase();
  return SCRIPT_TYPES.has(type) && (type === "module" || !script.hasAttribute("nomodule"));
}

// The id that a scene's scripts use for it, whatever id its host has.
function declaredIn(content, id) {
  const named = content.querySelector(`[data-composition-id="${CSS.escape(id)}"]`);
  return (named ?? content.querySelector(COMPOSITION))?.getAttribute("data-composition-id") ?? id;
}

// An import map's names, as far as they can be read.
function importsOf(script) {
  const { imports } = jsonObject(script.text) ?? {};
  const entries = isObject(imports) ? Object.entries(imports) : [];
  return Object.fromEntries(entries.filter(([, address]) => typeof address === "string"));
}

// The URLs of a srcset. A URL ends at white space; a comma at its end belongs to the list.
function candidates(text) {
  return [...text.matchAll(/[\s,]*(\S*[^\s,])(?:\s[^,]*)?(?:,|$)/g)].map(([, url]) => url);
}

function unescaped(url) {
  return url.replace(/\\(.)/g, "$1");
}
