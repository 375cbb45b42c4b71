// The self-test in Node: node web/node.mjs KIT path/to/ort.wasm.bundle.min.mjs. Prints JSON; exit 1 when it fails.

import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { selfTest } from "./selftest.mjs";

const [kit, library] = process.argv.slice(2);
const ort = await import(pathToFileURL(resolve(library)));
ort.env.wasm.numThreads = 1;
const result = await selfTest(ort, async (name) => new Uint8Array(await readFile(join(kit, name))));
console.log(JSON.stringify(result));
process.exit(result.passed ? 0 : 1);
