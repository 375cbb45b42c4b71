// node node.mjs ORT.mjs MODEL.onnx: orders on stdin, answers on stdout, a line of JSON each.

import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { Contender } from "./contender.mjs";

const [library, model] = process.argv.slice(2);
console.log = console.error; // stdout is for answers

function cpuNs() {
  const { user, system } = process.cpuUsage(); // microseconds, of all threads
  return (user + system) * 1000;
}

const ort = await import(pathToFileURL(library).href);
const contender = new Contender(ort, cpuNs);
for await (const line of createInterface({ input: process.stdin })) {
  const answer = await contender.answer(JSON.parse(line), () => readFile(model));
  process.stdout.write(JSON.stringify(answer) + "\n");
}
