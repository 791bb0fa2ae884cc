"""A start while the gate of before is still there."""

import os
import signal
import subprocess

from gate import until


def test_the_gate_of_before_is_waited_for(make_gate):
    """Supervisors are killed and started again faster than their gate ends."""
    gate = make_gate()
    [before] = gate.pids("gate")
    os.kill(before, signal.SIGSTOP)
    gate.process.kill()
    gate.process.wait()
    try:
        gate.start(wait=False)
        until("it waits", lambda: "event=log_busy" in gate.log(), log=gate.log)
        assert gate.process.poll() is None
    finally:
        os.kill(before, signal.SIGCONT)  # it finds its supervisor gone
    gate.wait_ready()
    assert gate.log().count("event=log_busy") == 1


def test_a_second_gate_changes_nothing(make_gate):
    """The right to the state directory comes before all that changes it."""
    gate = make_gate()
    second = subprocess.run(
        [str(gate.bin / "gitgate"), "--config", str(gate.config_file), "serve"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode == 1, second.stderr
    assert "another process has the audit log" in second.stderr
    assert gate.listen_file.read_text().strip() == gate.address
    assert gate.process.poll() is None
    gate.stop()
