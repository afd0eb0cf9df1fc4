"""Effects sound as the Web Audio API's nodes do, with the same parameters, in the browser that renders."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pytest
from effect_samples import band_limited, decibels, effect, lane, noise, processed, rms
from page_samples import composition, open_html
from scipy.signal import fftconvolve

pytestmark = pytest.mark.browser

SOUND = band_limited(noise(0.5), 16_000)[0].astype(np.float32)
RENDER = """(async () => {
  const sound = new Float32Array(await (await fetch("sound.bin")).arrayBuffer());
  const render = async (build) => {
    const context = new OfflineAudioContext(1, sound.length, 48000);
    const buffer = context.createBuffer(1, sound.length, 48000);
    buffer.copyToChannel(sound, 0);
    const source = context.createBufferSource();
    source.buffer = buffer;
    build(context, source).connect(context.destination);
    source.start();
    const samples = (await context.startRendering()).getChannelData(0);
    let text = "";
    for (const byte of new Uint8Array(samples.buffer)) text += String.fromCharCode(byte);
    return btoa(text);
  };
  const made = (node, values) => {
    for (const [name, value] of Object.entries(values)) {
      if (node[name] instanceof AudioParam) node[name].value = value; else node[name] = value;
    }
    return node;
  };
  const filter = (values) => (context, source) => source.connect(made(context.createBiquadFilter(), values));
  const gain = (context, value) => made(context.createGain(), { gain: value });
  const curve = (shape, top) => Float32Array.from({ length: 8192 }, (_, i) => shape(((i / 8191) * 2 - 1) / top) * top);
  const shaper = (oversample) => (context, source) =>
    source.connect(made(context.createWaveShaper(), { curve: curve(Math.tanh, 10 ** (-6 / 20)), oversample }));
  const graphs = {
    peaking: filter({ type: "peaking", frequency: 1000, gain: 6, Q: 2 }),
    lowshelf: filter({ type: "lowshelf", frequency: 300, gain: -8 }),
    highshelf: filter({ type: "highshelf", frequency: 5000, gain: 9 }),
    highpass: filter({ type: "highpass", frequency: 200, Q: 3 }),
    lowpass: filter({ type: "lowpass", frequency: 3000, Q: 5 }),
    pole: (context, source) => {
      const k = Math.tan((Math.PI * 700) / 48000);
      return source.connect(context.createIIRFilter([k / (1 + k), k / (1 + k)], [1, (k - 1) / (k + 1)]));
    },
    sweep: (context, source) => {
      const node = made(context.createBiquadFilter(), { type: "lowpass", Q: 5 });
      node.frequency.setValueAtTime(200, 0);
      node.frequency.exponentialRampToValueAtTime(8000, 0.4);
      return source.connect(node);
    },
    fade: (context, source) => {
      const node = context.createGain();
      node.gain.setValueAtTime(1, 0.1);
      node.gain.exponentialRampToValueAtTime(0.1, 0.4);
      return source.connect(node);
    },
    shaper: shaper("none"),
    shaper4: shaper("4x"),
    ...Object.fromEntries(Object.entries({ delay: 0.05, short: 0.001, between: 0.0333333 }).map(([name, time]) => [name, (context, source) => {
      const [line, back, out] = [context.createDelay(5), gain(context, 0.5), gain(context, 1)];
      line.delayTime.value = time;
      source.connect(line).connect(back).connect(line);
      line.connect(gain(context, 0.4)).connect(out);
      source.connect(gain(context, 0.6)).connect(out);
      return out;
    }])),
    chorus: (context, source) => {
      const [line, depth, out] = [context.createDelay(0.5), gain(context, 0.002), gain(context, 1)];
      const wave = made(context.createOscillator(), { frequency: 1 });
      line.delayTime.value = 0.007;
      wave.connect(depth).connect(line.delayTime);
      wave.start();
      source.connect(line).connect(gain(context, 0.5)).connect(out);
      source.connect(gain(context, 0.5)).connect(out);
      return out;
    },
    phaser: (context, source) => {
      const [depth, out, into] = [gain(context, 800), gain(context, 0.7), gain(context, 0.4)];
      const wave = made(context.createOscillator(), { frequency: 2 });
      wave.connect(depth);
      wave.start();
      let node = source.connect(into);
      for (let i = 0; i < 6; i++) {
        const stage = made(context.createBiquadFilter(), { type: "allpass", frequency: 1000, Q: 0.7071 });
        depth.connect(stage.frequency);
        node = node.connect(stage);
      }
      node.connect(out);
      into.connect(out);
      return out;
    },
    reverb: (context, source) => {
      const node = made(context.createConvolver(), { normalize: false });
      const length = Math.floor(48000 * (0.6 + 2.6 * 0.3));
      const buffer = context.createBuffer(1, length, 48000);
      const samples = buffer.getChannelData(0);
      let seed = (300 * 2654435761 + 250 * 40503) % 2 ** 32;
      let [passed, energy] = [0, 0];
      for (let i = 0; i < length; i++) {
        seed = (seed * 1664525 + 1013904223) % 2 ** 32;
        passed += 0.75 * ((seed / (2 ** 32 - 1)) * 2 - 1 - passed);
        samples[i] = passed * (1 - i / length) ** 2.5;
        energy += samples[i] ** 2;
      }
      for (let i = 0; i < length; i++) samples[i] /= Math.sqrt(energy);
      node.buffer = buffer;
      const out = gain(context, 1);
      source.connect(node).connect(gain(context, 0.35)).connect(out);
      source.connect(gain(context, 0.7)).connect(out);
      return out;
    },
  };
  const rendered = {};
  for (const [name, build] of Object.entries(graphs)) rendered[name] = await render(build);
  return rendered;
})()"""

CASES = {
    "peaking": (effect("peaking", frequency=1000.0, gain=6.0, q=2.0), (), -115),
    "lowshelf": (effect("lowshelf", frequency=300.0, gain=-8.0), (), -110),
    "highshelf": (effect("highshelf", frequency=5000.0, gain=9.0), (), -135),
    "highpass": (effect("highpass", frequency=200.0, q=3.0), (), -100),
    "lowpass": (effect("lowpass", frequency=3000.0, q=5.0), (), -130),
    "pole": (effect("lowpass", frequency=700.0, poles="1"), (), -140),
    "sweep": (effect("lowpass", q=5.0), (lane("fx.a.frequency", (0, 200), (0.4, 8000)),), -115),
    "fade": (effect("gain"), (lane("fx.a.gain", (0.1, 0), (0.4, -20)),), -140),
    "shaper": (effect("saturate", threshold=-6.0, oversample=1.0), (), -125),
    "shaper4": (effect("saturate", threshold=-6.0, oversample=4.0), (), -45),
    "delay": (effect("delay", time=50.0, feedback=0.5, mix=0.4), (), -135),
    "short": (effect("delay", time=1.0, feedback=0.5, mix=0.4), (), -135),
    "between": (effect("delay", time=33.3333, feedback=0.5, mix=0.4), (), -50),
    "chorus": (effect("chorus", delay=7.0, depth=2.0, speed=1.0, mix=0.5), (), -55),
    "phaser": (effect("phaser", in_gain=0.4, out_gain=0.7, delay=1.0, decay=0.8, speed=2.0, type="1"), (), -105),
    "reverb": (effect("reverb", size=0.3, damping=0.25, wet=0.35, dry=0.7), (), -130),
}

LATE = {"shaper4"}
"""Nodes that are late, by a time that depends on the version of Chromium."""


@pytest.fixture(scope="module")
def browsers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    folder: Path = tmp_path_factory.mktemp("web_audio")
    with open_html(folder, composition(""), {"sound.bin": SOUND.tobytes()}) as page:
        return {
            name: np.frombuffer(base64.b64decode(text), np.float32).astype(float)
            for name, text in page.value(RENDER).items()
        }


@pytest.mark.parametrize("name", CASES)
def test_an_effect_sounds_as_in_web_audio(name, browsers):
    of, lanes, limit = CASES[name]
    ours = processed(np.stack([SOUND, SOUND]).astype(float), (of,), lanes)[0]
    theirs = browsers[name]
    late = int(np.argmax(fftconvolve(theirs, ours[::-1])[ours.size - 1 :])) if name in LATE else 0
    ours, theirs = ours[: ours.size - late], theirs[late:]
    assert decibels(rms(ours - theirs) / rms(theirs)) < limit
