// The resize contract `pad-bilinear-antialias-1` (docs/resize.md): RGBA as a canvas or a decoder gives it -> RGB square.
// Whole numbers wherever Python has whole numbers, so that the pixels are equal, not close.

export const CONTRACT = "pad-bilinear-antialias-1";
const WEIGHT_BITS = 22;
const ONE = 1 << WEIGHT_BITS;
const HALF = ONE >> 1;
const WHITE = 255;

/**
 * Return sizePx * sizePx * 3 bytes, RGB, row by row: the picture on white, its longer side sizePx.
 *
 * `rgba` is upright (EXIF applied), 8 bits, straight alpha (not premultiplied), width * height * 4 bytes;
 * `box` is [x_1, y_1, x_2, y_2] in its pixels. Throws RangeError when the sizes do not fit.
 */
export function resize(rgba, width, height, sizePx, box = [0, 0, width, height]) {
  if (rgba.length !== width * height * 4 || rgba.length === 0) {
    throw new RangeError(`${rgba.length} bytes are no RGBA picture of ${width} x ${height} px`);
  }
  const cut = cutOnWhite(rgba, width, height, box.map((edge) => Math.floor(edge + 0.5)));
  const longer = Math.max(cut.width, cut.height);
  const [toWidth, toHeight] = [cut.width, cut.height].map((side) => scaledSide(side, longer, sizePx));
  const scaled = scaleDown(scaleAcross(cut, toWidth), toHeight);
  return onSquare(scaled, sizePx);
}

/** Cut whole-pixel edges out of RGBA and lay the cut on white; what lies outside the picture is white. */
function cutOnWhite(rgba, width, height, [left, top, right, bottom]) {
  if (!(right > left && bottom > top)) {
    throw new RangeError(`box ${left},${top},${right},${bottom} holds no pixel`);
  }
  const cut = { width: right - left, height: bottom - top };
  cut.pixels = new Uint8Array(cut.width * cut.height * 3).fill(WHITE);
  for (let y = Math.max(top, 0); y < Math.min(bottom, height); y++) {
    for (let x = Math.max(left, 0); x < Math.min(right, width); x++) {
      const from = (y * width + x) * 4;
      const to = ((y - top) * cut.width + (x - left)) * 3;
      const alpha = rgba[from + 3];
      for (let c = 0; c < 3; c++) {
        cut.pixels[to + c] = Math.round((rgba[from + c] * alpha + WHITE * (255 - alpha)) / 255);
      }
    }
  }
  return cut;
}

/** Length of a scaled side: side * sizePx / longer, rounded half up, at least 1. */
function scaledSide(side, longer, sizePx) {
  return Math.max(1, Math.floor((2 * side * sizePx + longer) / (2 * longer)));
}

/** For each of `to` output samples: the first input sample and the whole-number weights (2^22 is one). */
function taps(from, to) {
  const scale = from / to;
  const reach = Math.max(scale, 1);
  const shrink = 1 / reach;
  return Array.from({ length: to }, (_, sample) => {
    const centre = (sample + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - reach + 0.5));
    const last = Math.min(from, Math.trunc(centre + reach + 0.5));
    const tent = [];
    let total = 0;
    for (let x = first; x < last; x++) {
      tent.push(Math.max(0, 1 - Math.abs((x - centre + 0.5) * shrink)));
      total += tent[tent.length - 1];
    }
    return { first, weights: tent.map((weight) => Math.trunc((weight / total) * ONE + 0.5)) };
  });
}

/** Scale the width. Unchanged when it is already `toWidth`. */
function scaleAcross(image, toWidth) {
  if (toWidth === image.width) return image;
  const pixels = new Uint8Array(toWidth * image.height * 3);
  taps(image.width, toWidth).forEach(({ first, weights }, x) => {
    for (let y = 0; y < image.height; y++) {
      weighted(image.pixels, (y * image.width + first) * 3, 3, weights, pixels, (y * toWidth + x) * 3);
    }
  });
  return { width: toWidth, height: image.height, pixels };
}

/** Scale the height. Unchanged when it is already `toHeight`. */
function scaleDown(image, toHeight) {
  if (toHeight === image.height) return image;
  const stride = image.width * 3;
  const pixels = new Uint8Array(toHeight * stride);
  taps(image.height, toHeight).forEach(({ first, weights }, y) => {
    for (let x = 0; x < image.width; x++) {
      weighted(image.pixels, first * stride + x * 3, stride, weights, pixels, y * stride + x * 3);
    }
  });
  return { width: image.width, height: toHeight, pixels };
}

/** Write one RGB pixel: the weighted sum of pixels `step` bytes apart, rounded half up, held in 0..255. */
function weighted(source, start, step, weights, target, at) {
  for (let c = 0; c < 3; c++) {
    let sum = HALF; // below 2^31: the weights add up to 2^22 and a few
    for (let k = 0; k < weights.length; k++) sum += source[start + k * step + c] * weights[k];
    target[at + c] = Math.min(255, Math.max(0, sum >> WEIGHT_BITS));
  }
}

/** Centre an image on a white square; an odd pixel of margin goes right and below. */
function onSquare(image, sizePx) {
  const square = new Uint8Array(sizePx * sizePx * 3).fill(WHITE);
  const left = (sizePx - image.width) >> 1;
  const top = (sizePx - image.height) >> 1;
  for (let y = 0; y < image.height; y++) {
    const row = image.pixels.subarray(y * image.width * 3, (y + 1) * image.width * 3);
    square.set(row, ((top + y) * sizePx + left) * 3);
  }
  return square;
}
