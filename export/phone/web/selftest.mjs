// Does this JavaScript engine give the golden vectors? Resizes the golden images, runs the model, compares.

import { CONTRACT, resize } from "./resize.mjs";

const RESIZE_LEVELS = 1; // of 255: what docs/resize.md allows a port to differ by

/**
 * Test the kit whose files `read(name)` returns as Uint8Array, with `ort`, the module onnxruntime-web.
 *
 * Returns { passed, images, resizeMaxLevels, vectorMaxAbs, faults }: a fault is a line that names image and amount.
 */
export async function selfTest(ort, read) {
  const card = JSON.parse(new TextDecoder().decode(await read("card.json")));
  const golden = await goldenOf(card, read);
  const faults = [];
  if (card.preprocess.resize !== CONTRACT) {
    faults.push(`card.json: resize contract ${card.preprocess.resize}, this is ${CONTRACT}`);
  }
  const resized = golden.images.map(({ rgba, width, height }) => resize(rgba, width, height, golden.sizePx));
  const levels = resized.map((pixels, row) => largestDifference(pixels, golden.pixels[row]));
  levels.forEach((worst, row) => {
    if (worst > RESIZE_LEVELS) faults.push(`${golden.ids[row]}: resized pixels differ by ${worst} of 255 levels`);
  });

  const session = await ort.InferenceSession.create(await read("model.onnx"), { executionProviders: ["wasm"] });
  const differences = [];
  for (let row = 0; row < golden.ids.length; row++) {
    // What was resized here goes on: the whole way from picture to vector is tested.
    const vector = await embed(ort, session, resized[row] ?? golden.pixels[row], golden.sizePx);
    differences.push(largestDifference(vector, golden.vectors[row]));
    if (!(differences[row] <= card.export.tolerance)) {
      faults.push(`${golden.ids[row]}: vector differs by ${differences[row]}, tolerance ${card.export.tolerance}`);
    }
  }
  return {
    passed: faults.length === 0,
    images: golden.ids.length,
    resizeMaxLevels: Math.max(...levels),
    vectorMaxAbs: Math.max(...differences),
    faults,
  };
}

/** Read the golden arrays, cut into rows. */
async function goldenOf(card, read) {
  const { golden_images, golden_pixels, golden_vectors } = card.phone;
  const rgba = await read(golden_images.file);
  let start = 0;
  const images = golden_images.sizes.map(([width, height]) => {
    const end = start + width * height * 4;
    const image = { width, height, rgba: rgba.subarray(start, end) };
    start = end;
    return image;
  });
  const bytes = await read(golden_vectors.file);
  return {
    ids: card.export.golden_ids,
    sizePx: card.preprocess.size_px,
    images,
    pixels: rows(await read(golden_pixels.file), golden_pixels.shape),
    vectors: rows(littleEndianFloats(bytes), golden_vectors.shape),
  };
}

/** Return the vector of one image: size * size * 3 bytes RGB. */
async function embed(ort, session, pixels, sizePx) {
  const input = new ort.Tensor("uint8", pixels, [1, sizePx, sizePx, 3]);
  const output = await session.run({ [session.inputNames[0]]: input });
  return output[session.outputNames[0]].data;
}

function littleEndianFloats(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Float32Array.from({ length: bytes.byteLength / 4 }, (_, i) => view.getFloat32(i * 4, true));
}

function rows(flat, shape) {
  const length = shape.slice(1).reduce((product, side) => product * side, 1);
  return Array.from({ length: shape[0] }, (_, row) => flat.subarray(row * length, (row + 1) * length));
}

/** Largest absolute difference; infinite when the lengths differ or a value is no number. */
function largestDifference(actual, expected) {
  if (actual.length !== expected.length) return Infinity;
  let worst = 0;
  for (let i = 0; i < actual.length; i++) {
    const difference = Math.abs(actual[i] - expected[i]);
    worst = difference <= worst ? worst : Number.isNaN(difference) ? Infinity : difference;
  }
  return worst;
}
