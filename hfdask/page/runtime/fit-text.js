// `__hyperframes.fitTextFontSize`: the largest size, from the first one down, at which a text fits on a line.

const SIZES = 10_000; // that are tried

function fitTextFontSize(text, options) {
  const { maxWidth, baseFontSize, minFontSize, fontWeight, fontFamily, step } = {
    ...{ maxWidth: 1600, baseFontSize: 78, minFontSize: 42, fontWeight: 900, fontFamily: "Outfit", step: 2 },
    ...options,
  };
  const pen = document.createElement("canvas").getContext("2d");
  const line = String(text).trim().replace(/\s+/g, " ");
  const down = step > 0 ? step : 2;
  for (let size = baseFontSize, tried = 0; size >= minFontSize && tried < SIZES; size -= down, tried++) {
    pen.font = `${fontWeight} ${size}px ${fontFamily}`;
    if (pen.measureText(line).width <= maxWidth) return { fontSize: size, fits: true };
  }
  return { fontSize: minFontSize, fits: false };
}
