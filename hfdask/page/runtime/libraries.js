// Adapters for animation libraries whose objects authors register, in arrays on `window` (contract 2.7).

function registered(name, ...more) {
  const list = Array.isArray(window[name]) ? window[name] : [];
  return [...new Set([...list, ...more.flatMap((others) => (Array.isArray(others) ? others : []))])];
}

const animeList = () => registered("__hfAnime", window.anime?.running);
const anime = {
  name: "animejs",
  seek(time) {
    for (const animation of animeList()) {
      guarded(() => {
        animation.pause?.();
        animation.seek?.(time * 1000);
      });
    }
  },
  used: () => animeList().length > 0,
};

const lottieList = () => registered("__hfLottie", guarded(() => window.lottie?.getRegisteredAnimations?.()));
const lottie = {
  name: "lottie",
  seek(time) {
    for (const animation of lottieList()) guarded(() => seekLottie(animation, time));
  },
  end: () => Math.max(0, ...lottieList().map(lottieEnd)),
  used: () => lottieList().length > 0,
};

// lottie-web takes milliseconds, dotLottie players a frame of their own.
function seekLottie(animation, time) {
  if (animation.goToAndStop) {
    animation.goToAndStop(time * 1000, false);
    return;
  }
  animation.pause?.();
  const total = Number(animation.totalFrames);
  const rate = total / Number(animation.duration);
  if (animation.setFrame && Number.isFinite(rate)) animation.setFrame(Math.min(time * rate, total - 1));
  else animation.seek?.(`${Math.min(100, (time / Number(animation.duration)) * 100)}%`);
}

function lottieEnd(animation) {
  const seconds = Number(animation.getDuration?.(false) ?? animation.duration);
  return Number.isFinite(seconds) ? seconds : 0;
}
