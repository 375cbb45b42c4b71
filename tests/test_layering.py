"""Who may import whom: the rules of docs/design.md, read from the syntax tree of every file."""

from __future__ import annotations

import ast
import resource
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from hetvs.cli.group import COMMANDS

ROOT = Path(__file__).parents[1]
HETVS = Path(sys.executable).with_name("hetvs")  # the installed command
PACKAGES = ("hetvs", "export", "edge_bench", "studies")

# A module imports from its own floor or from a lower one. The plain half (NumPy, no torch) is below `encoders`.
PLAIN_FLOORS: tuple[tuple[str, ...], ...] = (
    ("hetvs.errors",),
    ("hetvs.files", "hetvs.progress"),
    ("hetvs.settings", "hetvs.arrays", "hetvs.levels", "hetvs.shards"),
    ("hetvs.config",),
    ("hetvs.nas.space", "hetvs.nas.operators", "hetvs.nas.paths"),
    (
        *("hetvs.nas.latency", "hetvs.nas.costs", "hetvs.nas.front", "hetvs.nas.breeding", "hetvs.nas.candidate"),
        *("hetvs.nas.samplers", "hetvs.nas.history", "hetvs.nas.search", "hetvs.nas.results", "hetvs.nas.extras"),
    ),
    (
        "hetvs.preprocess",
        "hetvs.manifest",
        "hetvs.manifest_table",
        "hetvs.manifest_check",
        "hetvs.manifest_join",
        "hetvs.manifest_shards",
    ),
    ("hetvs.card_fields",),
    ("hetvs.spaces",),
    ("hetvs.artifacts",),
    ("hetvs.retrieval", "hetvs.datasets", "hetvs.nas.proxy", "hetvs.nas.family", "hetvs.nas.page"),
    ("hetvs.refresh",),
)
TORCH_FLOORS: tuple[tuple[str, ...], ...] = (
    (
        "hetvs.losses",
        "hetvs.models",
        "hetvs.linear",
        "hetvs.nas.cut",
        "hetvs.nas.lite",
        "hetvs.nas.network",
        "hetvs.nas.supernet",
        "hetvs.nas.recalibration",
        "hetvs.nas.storage",
    ),
    ("hetvs.encoders", "hetvs.classifiers", "hetvs.foreign", "hetvs.pretrained"),
    (
        "hetvs.training",
        "hetvs.contenders",
        "hetvs.fuse",
        "hetvs.rotate",
        "hetvs.backfill",
        "hetvs.backfill_curve",
        "hetvs.classifier_contest",
        "hetvs.nas.judge",
        "hetvs.nas.refit",
        "hetvs.nas.points",
        "hetvs.nas.rewards",
        "hetvs.nas.pairing",
        "hetvs.nas.driver",
    ),
    ("hetvs.cli", "hetvs.__main__"),
)
FLOORS = PLAIN_FLOORS + TORCH_FLOORS
PLAIN = tuple(name for floor in PLAIN_FLOORS for name in floor)
NOT_PLAIN = tuple(name for floor in TORCH_FLOORS for name in floor)
TORCH = ("torch", "torchvision", "timm", "safetensors", "efficientnet_lite_pytorch")
TORCH_ALLOWED = ("edge_bench.conversion", "edge_bench.runtimes.xnnpack")
INFERENCE = ("onnx", "onnxruntime", "onnxscript")


@dataclass(frozen=True)
class Rule:
    """Modules below `prefixes` (but not below `exempt`) never mention what is below `forbidden`."""

    name: str
    prefixes: tuple[str, ...]
    forbidden: tuple[str, ...]
    exempt: tuple[str, ...] = ()


RULES = [
    Rule("what is installed sees no study", ("hetvs", "export", "edge_bench"), ("studies",)),
    Rule(
        "what the studies share sees none of them",
        ("studies.shared",),
        tuple(f"studies.{page.parent.name}" for page in sorted((ROOT / "studies").glob("*/__main__.py"))),
    ),
    Rule("export does not see edge_bench", ("export",), ("edge_bench",)),
    Rule("export and edge_bench are below the command line", ("export", "edge_bench"), ("hetvs.cli",)),
    Rule("edge_bench does not see export", ("edge_bench",), ("export",)),
    Rule("edge_bench sees the plain half", ("edge_bench",), NOT_PLAIN),
    # A converter never measures; ExecuTorch's Python binding takes torch tensors, and its report says so.
    Rule("no torch in a benchmark process", ("edge_bench",), TORCH, exempt=TORCH_ALLOWED),
    Rule(
        "a bundle is checked without torch",
        ("export.graph", "export.parity", "export.verify", "export.to_phone"),
        TORCH,
    ),
    Rule(
        "a bundle is made int8 without torch",
        ("export.candidates", "export.calibrate", "export.quantise", "export.gate", "export.to_int8"),
        TORCH,
    ),
    Rule("hetvs stands alone", ("hetvs",), ("export", "edge_bench"), exempt=("hetvs.cli",)),
    *(Rule(f"{name} is plain", (name,), TORCH + INFERENCE) for name in PLAIN),
    *(
        Rule(f"{name} sees no higher floor", (name,), tuple(n for above in FLOORS[number + 1 :] for n in above))
        for number, floor in enumerate(FLOORS)
        for name in floor
    ),
]


def below(module: str, prefixes: tuple[str, ...]) -> bool:
    return any(module == prefix or module.startswith(f"{prefix}.") for prefix in prefixes)


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules() -> dict[str, Path]:
    return {module_name(path): path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))}


def imported(tree: ast.AST, module: str, is_package: bool) -> Iterator[tuple[int, str]]:
    """Yield (line, dotted name) of every import below `tree`; `from a import b` gives both a and a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = module.split(".") if is_package else module.split(".")[:-1]
            start = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*start, *([node.module] if node.module else [])])
            yield node.lineno, source
            yield from ((node.lineno, f"{source}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            yield from ((node.lineno, str(name.value)) for name in node.args[:1] if isinstance(name, ast.Constant))


@cache
def imports_of(module: str) -> tuple[tuple[int, str], ...]:
    path = modules()[module]
    return tuple(imported(ast.parse(path.read_text()), module, path.name == "__init__.py"))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_rule(rule: Rule) -> None:
    bound = [name for name in modules() if below(name, rule.prefixes) and not below(name, rule.exempt)]
    assert bound, f"no file is below {rule.prefixes}: the rule guards nothing, has the code moved?"
    broken = [
        f"{modules()[name].relative_to(ROOT)}:{line} imports {what}"
        for name in bound
        for line, what in imports_of(name)
        if below(what, rule.forbidden)
    ]
    assert not broken, "\n".join([rule.name, *broken])


def test_every_module_of_hetvs_has_a_floor() -> None:
    # The modules of hetvs.nas stand on several floors; its __init__ imports nothing and stands on none.
    ours = [name for name in modules() if name.startswith("hetvs.") and imports_of(name)]
    homeless = [name for name in ours if not below(name, PLAIN + NOT_PLAIN)]
    assert not homeless, f"give each a floor in PLAIN_FLOORS or TORCH_FLOORS: {homeless}"


@pytest.mark.parametrize(
    "line", ["import torch.nn", "from torch import nn", "def f():\n    import torch", "import_module('torch')"]
)
def test_the_reader_sees_an_import_wherever_it_stands(line: str) -> None:
    found = [what for _, what in imported(ast.parse(line), "hetvs.config", is_package=False)]
    assert any(below(what, ("torch",)) for what in found)


def test_the_reader_resolves_relative_imports() -> None:
    tree = ast.parse("from . import a\nfrom ..cli import b")
    inside = [what for _, what in imported(tree, "hetvs.losses.anchor", is_package=False)]
    assert inside == ["hetvs.losses", "hetvs.losses.a", "hetvs.cli", "hetvs.cli.b"]


LIGHT = (
    "click",
    "hetvs.config",
    "hetvs.settings",
    "hetvs.errors",
    "hetvs.cli.options",
    "hetvs.cli.roles",
    "hetvs.cli.group",
    "hetvs.__version__",
)
COMMAND_MODULES = sorted({target.partition(":")[0] for target in COMMANDS.values()})
LIGHT_MODULES = ("hetvs.cli", "hetvs.cli.group", "hetvs.cli.options", "hetvs.cli.roles", *COMMAND_MODULES)


@pytest.mark.parametrize("module", LIGHT_MODULES)
def test_command_module_is_light_at_its_top(module: str) -> None:
    path = modules()[module]
    tree = ast.parse(path.read_text())
    top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = [what for node in top for _, what in imported(node, module, path.name == "__init__.py")]
    light = (*sys.stdlib_module_names, *LIGHT)
    heavy = [name for name in names if name != "hetvs" and not below(name, light)]
    assert not heavy, f"{module}: move {heavy} into the callback"


def loaded_by(code: str) -> set[str]:
    """Return the top-level modules that are loaded after a fresh interpreter has run `code`."""
    script = f"import sys\n{code}\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.splitlines()[-1].split())


def test_import_hetvs_loads_no_heavy_library() -> None:
    assert loaded_by("import hetvs").isdisjoint({"torch", "onnxruntime", "onnx", "numpy", "PIL", "click"})


def test_help_loads_no_heavy_library() -> None:
    code = "from hetvs.cli import main\nmain(['--help'], standalone_mode=False)"
    assert loaded_by(code).isdisjoint({"torch", "onnxruntime", "onnx", "numpy", "PIL", "rich"})


def test_the_benchmark_loads_no_torch() -> None:
    names = [name for name in modules() if below(name, ("edge_bench",))]
    assert loaded_by("\n".join(f"import {name}" for name in names)).isdisjoint({"torch", "torchvision", "export"})


def test_help_takes_less_than_0_4_s_of_cpu_time() -> None:
    def cpu_s() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    taken = []
    for _ in range(3):
        before = cpu_s()
        subprocess.run([HETVS, "--help"], check=True, capture_output=True, cwd=ROOT)
        taken.append(cpu_s() - before)
    assert min(taken) < 0.4, taken
