import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "packs"))

import gate as gate_module  # noqa: E402


@pytest.fixture
def make_gate(tmp_path):
    """Factory of gates that are stopped at the test's end."""
    made = []

    def make(**kw):
        g = gate_module.Gate(tmp_path / f"g{len(made)}", **kw)
        made.append(g)
        return g.__enter__()

    yield make
    for g in reversed(made):
        g.__exit__(None, None, None)


@pytest.fixture
def g(make_gate):
    """A gate over one local upstream where main is protected."""
    return make_gate(rules=[gate_module.PROTECT_MAIN])
