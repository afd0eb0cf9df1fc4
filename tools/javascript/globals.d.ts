// What the runtime's files share with the host and with pages, for the type checker alone (`make lint`). The files are one scope
// (`hfdask/page/__init__.py`), so they need no declarations of each other.

/** What the host tells the runtime: `runtime_script` of hfdask/page/__init__.py. */
declare const config: {
  fps: [numerator: number, denominator: number];
  variables: Record<string, unknown>;
  fragment: boolean;
  transparent: boolean;
  durations: Record<string, number>;
  hdr: boolean;
  hosted: boolean;
  names: string[];
  patience: number;
};

/** True in the composition's own window, false in frames below it: `runtime_script`. */
declare const isTop: boolean;

interface Window {
  // The runtime's, for the host and for frames above.
  __HF_VIRTUAL_TIME__: any;
  __hfdask: any;
  __hfdaskAnswers: any;
  __hfdaskMessages: any;
  __hfdaskText: any;

  // The page contract's (docs/compositions.md, 8.4 and 6).
  __hf: any;
  __hfOwnHyperframes: any;
  __hyperframes: any;
  hyperframesAnime: any;
  __HF_PAGE_SIDE_COMPOSITING__: boolean;
  __hf_page_composite_pending: any;
  __hf_page_composite_prepare: any;
  __hf_page_composite_resolve: any;
  __timelines: any;
  __player: any;
  __playerReady: boolean;
  __renderReady: boolean;
  __hfVariables: Record<string, unknown>;
  __hfVariablesByComp: Record<string, Record<string, unknown>>;
  __HF_RENDER_CAPTURE_MODE: boolean;
  __HF_EXPORT_RENDER_SEEK_CONFIG: { fps: number };
  __hfForceTimelineRebind: () => void;
  __hfResolveMediaStartSeconds: (element: Element) => number;
  __hfMediaId: (element: Element) => string;
  __hfMediaEl: (id: string) => Element | null;
  __hfReseekGpu: (seconds: number) => void;
  __hfThreeTime: number;
  __hfTypegpuTime: number;
  __hfTimelinesBuilding: any;
  __tailwindReady: any;
  __hfMaplibre: any;
  __hfGoogleMaps: any;

  // Libraries'.
  anime: any;
  d3: any;
  gsap: any;
  lottie: any;
  THREE: any;

  // Chromium's, which the checker's library lacks.
  MediaStreamTrackGenerator: any;
  GPU: any;
  PressureObserver: any;
  WebTransport: any;
}

interface Object {
  __lookupGetter__(key: PropertyKey): (() => unknown) | undefined;
}

interface PropertyDescriptor {
  __proto__?: null;
}

// The page's own, under a name that only its import map may know.
declare module "three";
