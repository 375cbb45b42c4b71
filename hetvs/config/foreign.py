"""What must be stated of an ONNX file of another's making: NAME.toml beside NAME.onnx."""

from __future__ import annotations

from dataclasses import dataclass

from hetvs.settings import require, require_choice, setting

LAYOUTS = ("nchw", "nhwc")


@dataclass(frozen=True, kw_only=True)
class ForeignConfig:
    """The preprocessing of a foreign ONNX file; size, mean and std have no default that would be right."""

    size: int = setting(0, "side of the square input, in pixels")
    mean: tuple[float, ...] = setting((-1.0,), "mean of red, green and blue, in units of 0..255")
    std: tuple[float, ...] = setting((-1.0,), "standard deviation of the same")
    layout: str = setting("nchw", "order of the axes of the input, float32 RGB", choices=LAYOUTS)
    input: str = setting("", "name of the input; empty: the only one")
    output: str = setting("", "name of the output, (B, D); empty: the only one")

    def __post_init__(self) -> None:
        require_choice("layout", self.layout, LAYOUTS)

    def require_stated(self) -> None:
        """Raise ConfigError unless size, mean and std are stated and in range."""
        require(self.size >= 1, f"size must be stated, >= 1 px, got {self.size}")
        for name, low in (("mean", 0.0), ("std", 1e-6)):
            values = getattr(self, name)
            holds = len(values) == 3 and all(low <= value <= 255 for value in values)
            require(holds, f"{name} must be stated: three numbers in units of 0..255, got {list(values)}")
