"""What a search needs and hetvs does not install by itself."""

from __future__ import annotations

from importlib.util import find_spec

from hetvs.errors import ConfigError


def require_extras() -> None:
    """Raise ConfigError, with the line that installs them, where optuna or matplotlib is missing."""
    missing = [name for name in ("optuna", "matplotlib") if find_spec(name) is None]
    if missing:
        raise ConfigError(f"a search needs {' and '.join(missing)}; run: pip install 'hetvs[search]'")
