// One model in onnxruntime-web: load it, run one image, time a block of runs. The same in Node and in a page.

const SIDE = (pixels) => Math.round(Math.sqrt(pixels.length / 3));

export class Contender {
  // `cpuNs` is the clock of CPU time in ns, null where the language has none.
  constructor(ort, cpuNs) {
    this.ort = ort;
    this.cpuNs = cpuNs;
  }

  async load(bytes, threads) {
    this.ort.env.wasm.numThreads = threads;
    this.session = await this.ort.InferenceSession.create(bytes, {
      executionProviders: ["wasm"],
      graphOptimizationLevel: "all",
    });
    return { version: this.ort.env.versions.web };
  }

  feed(base64) {
    const pixels = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
    const tensor = new this.ort.Tensor("uint8", pixels, [1, SIDE(pixels), SIDE(pixels), 3]);
    return { [this.session.inputNames[0]]: tensor };
  }

  async run(image) {
    const outputs = await this.session.run(this.feed(image));
    return { vector: Array.from(outputs[this.session.outputNames[0]].data) };
  }

  async block({ images, warmup, calls, inner }) {
    const feeds = images.map((image) => this.feed(image));
    let next = 0;
    const run = () => this.session.run(feeds[next++ % feeds.length]);
    for (let i = 0; i < warmup * inner; i++) await run();
    const wall = [];
    const cpu = [];
    for (let call = 0; call < calls; call++) {
      const began = this.cpuNs?.();
      for (let i = 0; i < inner; i++) {
        const start = performance.now();
        await run();
        wall.push(Math.round((performance.now() - start) * 1e6));
      }
      if (this.cpuNs) cpu.push(this.cpuNs() - began);
    }
    return { wall_ns: wall, cpu_ns: cpu };
  }

  // An order is {load: {threads}, run: image or block: {...}}; `model` gives the bytes of the graph.
  async answer(order, model) {
    try {
      if (order.load) return await this.load(await model(), order.load.threads);
      return await (order.run ? this.run(order.run) : this.block(order.block));
    } catch (error) {
      return { error: String(error?.message ?? error) };
    }
  }
}
