"""A page that tries every way that a browser has to say something to an address."""

from __future__ import annotations

import json
from collections.abc import Sequence

# Runs in windows and workers: each way alone, so that a missing one does not keep the next from being tried.
WAYS = """
const ways = {
  fetch: (at) => fetch(`http://${at}/fetch`, {mode: "no-cors"}),
  secure: (at) => fetch(`https://${at}/secure`, {mode: "no-cors"}),
  local: (at) => fetch(`http://${at}/local`, {mode: "no-cors", targetAddressSpace: "loopback"}),
  later: (at) => fetchLater(`http://${at}/later`, {activateAfter: 0}),
  request: (at) => { const r = new XMLHttpRequest(); r.open("POST", `http://${at}/xhr`); r.send("x") },
  socket: (at) => new WebSocket(`ws://${at}/socket`),
  secureSocket: (at) => new WebSocket(`wss://${at}/socket`),
  stream: (at) => new WebSocketStream(`ws://${at}/stream`).opened,
  events: (at) => new EventSource(`http://${at}/events`),
  beacon: (at) => navigator.sendBeacon(`http://${at}/beacon`, "x"),
  transport: (at) => new WebTransport(`https://${at}/transport`).ready,
  hashed: (at) => new WebTransport(`https://${at}/transport`, {serverCertificateHashes: [
    {algorithm: "sha-256", value: new Uint8Array(32)}]}).ready,
  scripts: (at) => importScripts(`http://${at}/script.js`),
  module: (at) => import(`http://${at}/module.js`),
  background: (at) => navigator.serviceWorker?.ready.then((r) => r.backgroundFetch?.fetch("x", [`http://${at}/bg`])),
  raw: (at) => new TCPSocket(at.replace(/:\\d+$/, ""), +at.split(":").pop()).opened,
  datagram: (at) => new UDPSocket({remoteAddress: at.replace(/:\\d+$/, ""), remotePort: +at.split(":").pop()}).opened,
  stun: (at) => gather([{urls: `stun:${at}`}]),
  turn: (at) => gather([{urls: [`turn:${at}?transport=udp`, `turn:${at}?transport=tcp`, `turns:${at}?transport=tcp`],
    username: "u", credential: "p"}]),
  relay: (at) => gather([{urls: [`turn:${at}?transport=tcp`], username: "u", credential: "p"}], "relay"),
  peer: (at) => meet(at, "udp"),
  tcpPeer: (at) => meet(at, "tcp"),
};
const connection = () => globalThis.RTCPeerConnection ?? globalThis.webkitRTCPeerConnection;
async function gather(iceServers, iceTransportPolicy = "all") {
  const peer = new (connection())({iceServers, iceTransportPolicy, iceCandidatePoolSize: 2});
  peer.createDataChannel("x");
  await peer.setLocalDescription(await peer.createOffer());
  (globalThis.kept ??= []).push(peer);
}
async function meet(at, protocol) {
  const peer = new (connection())();
  peer.createDataChannel("x");
  const offer = await peer.createOffer();
  await peer.setLocalDescription(offer);
  const sdp = offer.sdp.replace(/a=setup:.*/, "a=setup:active").replace(/a=ice-ufrag:.*/, "a=ice-ufrag:said")
    .replace(/a=ice-pwd:.*/, "a=ice-pwd:abcdefghijklmnopqrstuvwxyz");
  await peer.setRemoteDescription({type: "answer", sdp});
  const [, host, port] = at.match(/^\\[?(.*?)\\]?:(\\d+)$/);
  const type = protocol === "tcp" ? "host tcptype passive" : "host";
  for (const name of [host, "00000000-0000-4000-8000-000000000000.local"])
    await peer.addIceCandidate({candidate: `candidate:1 1 ${protocol} 2113937151 ${name} ${port} typ ${type}`, sdpMid: "0",
      sdpMLineIndex: 0});
  (globalThis.kept ??= []).push(peer);
}
async function tryAll(places) {
  const said = {};
  for (const at of places)
    for (const [name, way] of Object.entries(ways))
      try { Promise.resolve(way(at)).then(() => { said[name] = "done" }, (e) => { said[name] = String(e) }) }
      catch (e) { said[name] = String(e) }
  return said;
}
"""

# Ways that only a document has; `document` is the document that tries them.
DOCUMENT = """
function tryElements(places, into) {
  const add = (name, attributes, where = into.head) => {
    const e = into.createElement(name);
    try { Object.assign(e, attributes) } catch {}
    for (const [k, v] of Object.entries(attributes)) try { e.setAttribute(k, v) } catch {}
    where?.append(e);
    return e;
  };
  for (const at of places) {
    for (const rel of ["dns-prefetch", "preconnect", "prefetch", "prerender", "preload", "modulepreload", "manifest", "icon",
      "stylesheet", "search", "compression-dictionary", "alternate"])
      for (const scheme of ["http", "https"]) add("link", {rel, href: `${scheme}://${at}/${rel}`, as: "script"});
    add("script", {type: "speculationrules", textContent: JSON.stringify({
      prefetch: [{source: "list", urls: [`http://${at}/speculated`], requires: ["anonymous-client-ip-when-cross-origin"]},
        {source: "list", urls: [`https://${at}/speculated`]}],
      prerender: [{source: "list", urls: [`http://${at}/prerendered`]}]})});
    for (const [name, attribute] of [["img", "src"], ["script", "src"], ["video", "src"], ["audio", "src"], ["embed", "src"],
      ["object", "data"], ["track", "src"], ["iframe", "src"], ["fencedframe", "src"], ["portal", "src"]])
      add(name, {[attribute]: `http://${at}/${name}`, hidden: true}, into.body);
    add("meta", {httpEquiv: "Content-Security-Policy", "http-equiv": "Content-Security-Policy",
      content: `img-src 'self' http://${at}; report-uri http://${at}/csp`});
    const a = add("a", {href: "#x", ping: `http://${at}/ping`}, into.body);
    a.click();
    const form = add("form", {action: `http://${at}/form`, method: "post", target: "nowhere"}, into.body);
    add("iframe", {name: "nowhere", hidden: true}, into.body);
    form.submit();
    try { new PaymentRequest([{supportedMethods: `https://${at}/pay`}], {total: {label: "x", amount: {currency: "EUR",
      value: "1"}}}).canMakePayment().catch(() => 0) } catch {}
    try { navigator.credentials.get({identity: {providers: [{configURL: `https://${at}/fedcm.json`, clientId: "1"}]}})
      .catch(() => 0) } catch {}
    try { new PresentationRequest([`http://${at}/present`]).getAvailability().catch(() => 0) } catch {}
    try { sharedStorage?.worklet.addModule(`http://${at}/shared.js`).catch(() => 0) } catch {}
    try { CSS.paintWorklet.addModule(`http://${at}/paint.js`).catch(() => 0) } catch {}
    try { new AudioContext().audioWorklet.addModule(`http://${at}/audio.js`).catch(() => 0) } catch {}
    try { new Worker(`http://${at}/worker.js`) } catch {}
    try { navigator.runAdAuction?.({seller: `https://${at}`, decisionLogicURL: `https://${at}/auction`}).catch(() => 0) } catch {}
    try { navigator.joinAdInterestGroup?.({owner: `https://${at}`, name: "x", biddingLogicURL: `https://${at}/b`}, 60) } catch {}
    try { navigator.serviceWorker.register("sw.js").then((r) => r.pushManager.subscribe({userVisibleOnly: true}))
      .catch(() => 0) } catch {}
    into.defaultView?.open(`http://${at}/window`);
  }
}
"""


def script(places: Sequence[str], ways: Sequence[str] | None = None) -> str:
    """A script, to be written into a document, that tries all ways, or only these, from all kinds of realms.

    `globalThis.told` is what came of it, by realm.
    """
    here, only = json.dumps(list(places)), json.dumps(ways)
    work = f"{WAYS};const only = {only}; if (only) for (const n in ways) if (!only.includes(n)) delete ways[n];"
    source = json.dumps(f"{work}tryAll({here}).then((said) => setTimeout(() => globalThis.postMessage?.(said), 500))")
    shared = json.dumps(f"{work}tryAll({here})")
    inner = json.dumps(
        f"<body><script>{work}{DOCUMENT}tryAll({here}); if (!only) tryElements({here}, document)</script>"
    )
    text = f"""{work}{DOCUMENT}
    globalThis.told = {{}};
    tryAll({here}).then((said) => {{ told.top = said }});
    const blob = (text) => URL.createObjectURL(new Blob([text], {{type: "text/javascript"}}));
    try {{ new Worker(blob({source})).onmessage = (e) => {{ told.worker = e.data }} }} catch {{}}
    try {{ new SharedWorker(blob({shared})) }} catch {{}}
    try {{ new Worker(blob(`new Worker("${{blob({source})}}")`)) }} catch {{}}
    const frames = [{{}}, {{srcdoc: {inner}}}, {{sandbox: "allow-scripts", srcdoc: {inner}}},
      {{src: "data:text/html," + encodeURIComponent({inner})}}, {{src: "inner.html"}}, {{src: "about:blank"}},
      {{src: URL.createObjectURL(new Blob([{inner}], {{type: "text/html"}}))}}];
    for (const attributes of frames) {{
      const frame = document.createElement("iframe");
      for (const [name, value] of Object.entries(attributes)) frame.setAttribute(name, value);
      frame.hidden = true;
      document.body.append(frame);
      try {{  // a realm that is there before any script of it could run
        const realm = frame.contentWindow;
        globalThis.RTCPeerConnection = realm.RTCPeerConnection ?? globalThis.RTCPeerConnection;
        globalThis.WebTransport = realm.WebTransport ?? globalThis.WebTransport;
        globalThis.WebSocketStream = realm.WebSocketStream ?? globalThis.WebSocketStream;
        tryAll({here});
        realm.eval?.({shared});
      }} catch {{}}
    }}
    if (!only) tryElements({here}, document);
    """
    return text.replace("</", "<\\/")


def inner(places: Sequence[str], ways: Sequence[str] | None = None) -> str:
    """The document of the frame that `script` opens by its name."""
    only = json.dumps(ways)
    work = f"{WAYS};const only = {only}; if (only) for (const n in ways) if (!only.includes(n)) delete ways[n];"
    return f"<!doctype html><body><script>{work}{DOCUMENT}tryAll({json.dumps(list(places))})</script>"
