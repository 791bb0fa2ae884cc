import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "packs"))

import gate as gate_module  # noqa: E402
import postgres  # noqa: E402


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


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Chromium, for the tests of a file one after the other."""
    import chromium

    b = chromium.make_browser(tmp_path_factory.mktemp("profile"))
    yield b
    b.quit()


@pytest.fixture(scope="session")
def database_server():
    """PostgreSQL for all that neither stop it nor look into its files."""
    with postgres.cluster() as c:
        yield c


@pytest.fixture
def database(database_server):
    """The URL of an empty database."""
    with database_server.database() as url:
        yield url


@pytest.fixture(scope="session")
def maker():
    """The program that writes a log: maker make DIRECTORY ENTRIES."""
    path = gate_module.BIN / "tests" / "unit" / "test_auditlog"
    if not os.access(path, os.X_OK):
        subprocess.run(
            ["make", "-C", gate_module.ROOT, os.path.relpath(path, gate_module.ROOT)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
    return path
