"""Deliveries as the messenger runs them, driven as the gate drives it."""

import os
import socket

import messenger_frames as mf
import pytest
from messenger_frames import DELIVERY, TO_FILE, TO_SYSLOG, TO_WEBHOOK, UNIX, Failed, Messenger, batch
from sinks import Receiver

ONE = batch((7, '{"seq":7}\n'))
ID = "audit-7-7-0123456789abcdef"


def refused(m, code, *args, **kw):
    with pytest.raises(Failed) as e:
        m.run(*args, **kw)
    assert e.value.code == code, e.value
    return e.value.message


def test_only_what_is_configured(tmp_path):
    file = tmp_path / "out" / "audit"
    file.parent.mkdir()
    with Messenger(tmp_path, sandbox="required", deliveries=[{"name": "disk", "kind": TO_FILE, "path": str(file)}]) as m:
        refused(m, mf.NOTFOUND, DELIVERY, "other", body=ONE, id=ID)
        assert m.run(DELIVERY, "disk", body=ONE, id=ID).status == 200
        assert m.run(DELIVERY, "disk", body=batch((8, "8\n"), (9, "9\n")), id=ID).status == 200
    assert file.read_text() == '{"seq":7}\n8\n9\n'


@pytest.mark.parametrize("body", [b"", batch(), ONE[:-1], ONE + b"\0", batch((7, "")), ONE[:40], b"\xff" * 100])
def test_what_is_no_batch_is_refused(tmp_path, body):
    sink = Receiver()
    file = tmp_path / "out" / "audit"
    file.parent.mkdir()
    targets = [{"name": "disk", "kind": TO_FILE, "path": str(file)}, {"name": "siem", "kind": TO_WEBHOOK, "url": sink.url}]
    with Messenger(tmp_path, deliveries=targets) as m:
        for name in ("disk", "siem"):
            refused(m, mf.PEER, DELIVERY, name, body=body, id=ID)
        refused(m, mf.PEER, DELIVERY, "siem", body=ONE, id="audit-1\r\nX: y")
        assert m.run(DELIVERY, "siem", body=ONE, id=ID).status == 204
    assert not file.exists() and [p.body for p in sink.posts] == [b'{"seq":7}\n']
    sink.close()


@pytest.mark.parametrize(
    "text", ["no colon", "Host: other", "Content-Length: 1", "webhook-id: x", "A b: c", ": x", "A: b\nTransfer-Encoding: x", "A: \x01", "A: b\n" * 20]
)
def test_headers_of_ours_are_not_for_the_file(tmp_path, text):
    sink = Receiver()
    file = tmp_path / "header"
    file.write_text(text + "\n")
    file.chmod(0o600)
    with Messenger(tmp_path, deliveries=[{"name": "siem", "kind": TO_WEBHOOK, "url": sink.url, "header_file": str(file)}]) as m:
        said = refused(m, mf.INPUT, DELIVERY, "siem", body=ONE, id=ID)
        assert "header file" in said and text not in said
        file.chmod(0o644)
        refused(m, mf.INPUT, DELIVERY, "siem", body=ONE, id=ID)
    assert sink.posts == []
    sink.close()


def test_one_that_hangs_is_not_begun_twice_and_holds_up_nobody(tmp_path):
    """Nobody reads the socket: its queue is full after some messages."""
    sock, file = tmp_path / "log", tmp_path / "out" / "audit"
    file.parent.mkdir()
    targets = [
        {"name": "full", "kind": TO_SYSLOG, "way": UNIX, "url": f"unix:{sock}", "path": str(sock)},
        {"name": "disk", "kind": TO_FILE, "path": str(file)},
    ]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(os.path.relpath(sock))
        with Messenger(tmp_path, deliveries=targets, delivery_ms=3000) as m:
            hangs = m.ask(DELIVERY, "full", body=batch(*((i, f"{i}\n") for i in range(3000))), id=ID)
            assert "has not ended" in refused(m, mf.UNAVAILABLE, DELIVERY, "full", body=ONE, id=ID)
            assert m.run(DELIVERY, "disk", body=ONE, id=ID).status == 200
            with pytest.raises(Failed) as e:
                m.answer(hangs)
            assert e.value.code == mf.LIMIT and "delivery-timeout" in e.value.message
