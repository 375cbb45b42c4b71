"""Runs under emulation: golden pixels through one runtime, the vectors into a file. Only NumPy and the runtime here.

`python inside.py RUNTIME MODEL BUNDLE OUTPUT.npy`. The interpreter knows nothing of hetvs, so a runtime is called
in the few lines that a phone's developer would write; OUTPUT is (B, D) float32.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Run = Callable[[np.ndarray], np.ndarray]  # one image (1, S, S, 3) uint8 -> its vector, D values in any shape


def onnxruntime(model: str, port: dict[str, Any]) -> Run:
    """ONNX Runtime: every optimisation, the CPU provider."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda image: np.asarray(session.run(None, {port["input"]: image})[0])


def ncnn(model: str, _port: dict[str, Any]) -> Run:
    """Run ncnn in float32: its default on ARM is float16."""
    import ncnn

    net = ncnn.Net()
    net.opt.num_threads = 1
    for half in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage"):
        setattr(net.opt, half, False)
    if net.load_param(model) or net.load_model(str(Path(model).with_suffix(".bin"))):
        raise ValueError(f"{model}: ncnn cannot load it")

    def run(image: np.ndarray) -> np.ndarray:
        pixels = image[0].astype(np.float32)  # the matrix does not keep the array alive
        extractor = net.create_extractor()
        extractor.input("in0", ncnn.Mat(pixels))
        return np.array(extractor.extract("out0")[1])

    return run


def mnn(model: str, port: dict[str, Any]) -> Run:
    """MNN in high precision, which is float32."""
    import MNN

    options = {"backend": "CPU", "numThread": 1, "precision": "high"}
    manager = MNN.nn.create_runtime_manager((options,))
    net = MNN.nn.load_module_from_file(model, [port["input"]], [port["output"]], runtime_manager=manager)
    expr = MNN.expr
    return lambda image: np.array(
        net.onForward([expr.const(image, list(image.shape), expr.NCHW, expr.uint8)])[0].read()
    )


def litert(model: str, _port: dict[str, Any]) -> Run:
    """LiteRT with its XNNPACK delegate."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=model, num_threads=1)
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def run(image: np.ndarray) -> np.ndarray:
        interpreter.set_tensor(source, image)
        interpreter.invoke()
        return np.array(interpreter.get_tensor(target))

    return run


LOADERS: dict[str, Callable[[str, dict[str, Any]], Run]] = {
    "onnxruntime": onnxruntime,
    "ncnn": ncnn,
    "mnn": mnn,
    "litert": litert,
}


def main(runtime: str, model: str, bundle: str, output: str) -> None:
    """Write the vectors of a bundle's golden pixels."""
    export = json.loads((Path(bundle) / "card.json").read_text())["export"]
    port = {"input": export["input"]["name"], "output": export["output"]["name"]}
    run = LOADERS[runtime](model, port)
    pixels_BHWC = np.load(Path(bundle) / "golden_pixels.npy", allow_pickle=False)
    np.save(output, np.stack([run(image[None]).reshape(-1) for image in pixels_BHWC]), allow_pickle=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
