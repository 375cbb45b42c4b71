"""One module per runtime, each run in a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from edge_bench.runtimes.base import Runtime
from edge_bench.runtimes.programs import browser_program, node_program
from edge_bench.runtimes.web_package import unpack
from hetvs.errors import DatasetError


@dataclass(frozen=True)
class Entry:
    """How a runtime is made, and what it takes.

    `maker` is "module:callable", imported where the runtime runs only, after `modules`. These and
    `tools` must be importable, or `program` found, else `install` says how to get them. A runtime
    that cannot read ONNX names the module that converts, the PyPI package that does the work, and
    the file that is loaded. `torch`: its Python binding cannot do without.
    """

    maker: str
    install: str
    modules: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    program: Callable[[], str | None] | None = None
    converter: str | None = None
    converted_by: str = ""
    converted_name: str = ""
    torch: bool = False


NODE, CHROMIUM = "pip install 'hetvs[npm]'", "apt-get install chromium"
RUNTIMES = {
    "onnxruntime": Entry("edge_bench.runtimes.ort:OrtRuntime", "pip install hetvs", ("onnxruntime",)),
    "openvino": Entry("edge_bench.runtimes.ov:OpenVinoRuntime", "pip install 'hetvs[openvino]'", ("openvino",)),
    "ncnn": Entry(
        "edge_bench.runtimes.ncnn_cpu:NcnnRuntime",
        "pip install 'hetvs[ncnn]'",
        ("ncnn",),
        ("pnnx",),
        converter="edge_bench.conversion.to_ncnn",
        converted_by="pnnx",
        converted_name="model.ncnn.param",
    ),
    "mnn": Entry(
        "edge_bench.runtimes.mnn_cpu:MnnRuntime",
        "pip install 'hetvs[mnn]'",
        ("MNN",),
        converter="edge_bench.conversion.to_mnn",
        converted_by="MNN",
        converted_name="model.mnn",
    ),
    "litert": Entry(
        "edge_bench.runtimes.tflite:LiteRtRuntime",
        "pip install 'hetvs[litert]'",
        ("ai_edge_litert.interpreter",),
        ("pnnx", "litert_torch"),
        converter="edge_bench.conversion.to_litert",
        converted_by="litert-torch",
        converted_name="model.tflite",
    ),
    "executorch": Entry(
        "edge_bench.runtimes.xnnpack:ExecuTorchRuntime",
        "pip install 'hetvs[executorch]'",
        ("executorch.runtime",),
        ("pnnx", "torch"),
        converter="edge_bench.conversion.to_executorch",
        converted_by="executorch",
        converted_name="model.pte",
        torch=True,
    ),
    "web-node": Entry("edge_bench.runtimes.node:load", NODE, program=node_program),
    "web-chromium": Entry("edge_bench.runtimes.chromium:load", CHROMIUM, program=browser_program),
}


def runtime_maker(name: str) -> Callable[[Path, int], Runtime]:
    """Import what makes the runtime `name` (a key of RUNTIMES) of a model and a number of threads."""
    for library in RUNTIMES[name].modules:
        import_module(library)  # here, so that loading a model does not hold the import of its runtime
    module, attribute = RUNTIMES[name].maker.split(":")
    found: Callable[[Path, int], Runtime] = getattr(import_module(module), attribute)
    return found


def missing(name: str) -> str | None:
    """Return why the runtime `name` cannot run on this machine and what to do, None when it can.

    The files of onnxruntime-web are fetched here, on first use.
    """
    entry = RUNTIMES[name]
    absent = [name for name in (*entry.modules, *entry.tools) if find_spec(name.partition(".")[0]) is None]
    if absent:
        return f"{' and '.join(absent)} not installed: {entry.install}"
    if entry.program is None:
        return None
    if entry.program() is None:
        return f"no program on PATH: {entry.install}"
    try:
        unpack()
    except DatasetError as error:
        return str(error)
    return None


def unconvertible(name: str, precision: str) -> str | None:
    """Return why a graph of `precision` is not for the runtime `name`, None when it is: converters take fp32 alone.

    >>> unconvertible("ncnn", "int8"), unconvertible("onnxruntime", "int8")
    ('the converter of ncnn takes fp32 graphs, this one is int8', None)
    """
    if precision == "fp32" or RUNTIMES[name].converter is None:
        return None
    return f"the converter of {name} takes fp32 graphs, this one is {precision}"
