"""Key files: made, read and refused."""

import os
import stat

import pytest
import zmq
import zmq.auth

from monitor.errors import PitwatchError, SettingError
from monitor.settings import SecuritySettings
from monitor.sockets.keys import (
    check_local,
    client_keys,
    engine_s_own,
    is_address,
    is_local,
    make_keys,
    reachable,
    read_pair,
    read_public,
)


def refusal(call, *arguments):
    with pytest.raises(SettingError) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("address", "good"),
    [
        ("tcp://127.0.0.1:5611", True),
        ("tcp://[::1]:5611", True),
        ("tcp://beamline.example.org:5611", True),
        ("ipc:///tmp/x", True),
        ("nonsense", False),
        ("tcp://127.0.0.1", False),
        ("tcp://127.0.0.1:0", False),
        ("tcp://127.0.0.1:99999", False),
        ("tcp://127.0.0.1:*", False),
        ("tcp://", False),
        ("ipc://", False),
        ("http://127.0.0.1:80", False),
        ("tcp://127.0.0.1:5611\0", False),
        ("", False),
    ],
)
def test_what_a_screen_can_connect_to(address, good):
    assert is_address(address) is good


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("tcp://127.0.0.1:5611", True),
        ("tcp://127.8.9.1:5611", True),
        ("tcp://localhost:5611", True),
        ("tcp://[::1]:5611", True),
        ("tcp://127.0.0.1:*", True),
        ("ipc:///tmp/x", True),
        ("inproc://x", True),
        ("tcp://0.0.0.0:5611", False),
        ("tcp://*:5611", False),
        ("tcp://10.9.8.7:5611", False),
        ("tcp://[::]:5611", False),
        ("tcp://eth0:5611", False),
        ("tcp://127.example.org:5611", False),
        ("tcp://localhost.example.org:5611", False),
        ("tcp://127.0.0.1:0;10.9.8.7:5611", False),
        ("tcp://127.0.0.1@10.9.8.7:5611", False),
        ("tcp://127.0.0.1:5611\ntcp://10.9.8.7:1", False),
        ("udp://127.0.0.1:5611", False),
        ("epgm://127.0.0.1;239.192.1.1:5555", False),
        ("127.0.0.1:5611", False),
        ("", False),
    ],
)
def test_which_addresses_are_of_this_machine(address, local):
    assert is_local(address) is local


def test_keys_are_those_of_zeromq_s_own_tools_and_only_their_owner_reads_the_secret(tmp_path):
    public, secret = make_keys(tmp_path / "keys", "control-room")
    assert (public.name, secret.name) == ("control-room.key", "control-room.key_secret")
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    text, hidden = zmq.auth.load_certificate(secret)
    assert zmq.auth.load_certificate(public) == (text, None)
    assert zmq.curve_public(hidden) == text
    assert hidden.decode() not in public.read_text()
    pair = read_pair(str(secret), "security.secret_key")
    assert (pair.public, pair.secret) == (text, hidden)
    assert hidden.decode() not in repr(pair)
    for given in (str(public), str(secret), text.decode()):
        assert read_public(given, "security.operators") == text


def test_a_pair_is_never_overwritten(tmp_path):
    public, secret = make_keys(tmp_path, "a")
    before = public.read_bytes(), secret.read_bytes()
    with pytest.raises(PitwatchError, match="exists already"):
        make_keys(tmp_path, "a")
    public.unlink()
    with pytest.raises(PitwatchError, match="exists already"):
        make_keys(tmp_path, "a")
    assert secret.read_bytes() == before[1]
    assert not public.exists()


@pytest.mark.parametrize("name", ["", "../a", "a/b", ".hidden", "a" * 101, "a\nb"])
def test_a_name_stays_in_its_folder(tmp_path, name):
    assert "--name" in refusal(make_keys, tmp_path, name)
    assert list(tmp_path.iterdir()) == []


def test_keys_cannot_be_written_everywhere(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PitwatchError, match="no keys can be written there"):
        make_keys(tmp_path / "file", "a")


@pytest.mark.skipif(os.name != "posix", reason="modes of files are those of Unix")
def test_a_secret_that_others_can_read_is_refused(tmp_path):
    _, secret = make_keys(tmp_path, "a")
    secret.chmod(0o640)
    assert f"chmod 600 {secret}" in refusal(read_pair, str(secret), "security.secret_key")


@pytest.mark.parametrize(
    "content",
    [None, b"", b"public-key", b"curve\n public-key = \"short\"\n", b"\xff" * 100, b"x" * 70_000,
     b'public-key = "' + b"\x00" * 40 + b'"'],
)  # fmt: skip
def test_what_is_no_key_is_refused_by_the_name_of_its_setting(tmp_path, content):
    file = tmp_path / "x.key"
    if content is not None:
        file.write_bytes(content)
        file.chmod(0o600)
    assert "security.viewers" in refusal(read_public, str(file), "security.viewers")
    assert "security.secret_key" in refusal(read_pair, str(file), "security.secret_key")


def test_a_public_file_is_no_secret_key_and_keys_must_belong_together(tmp_path):
    public, secret = make_keys(tmp_path, "a")
    public.chmod(0o600)
    assert "with a secret key" in refusal(read_pair, str(public), "security.secret_key")
    _, other = make_keys(tmp_path, "b")
    mixed = secret.read_text().replace(
        zmq.auth.load_certificate(secret)[0].decode(), zmq.auth.load_certificate(other)[0].decode()
    )
    secret.write_text(mixed)
    assert "belong together" in refusal(read_pair, str(secret), "security.secret_key")


def test_a_screen_needs_both_keys_or_an_address_of_its_own_machine(tmp_path):
    public, secret = make_keys(tmp_path, "a")
    here, there = "tcp://127.0.0.1:5611", "tcp://10.9.8.7:5611"
    assert client_keys(None, None, [here]) is None
    assert "--key and --server-key" in refusal(client_keys, None, None, [here, there])
    assert "--server-key" in refusal(client_keys, str(secret), None, [here])
    assert "--key" in refusal(client_keys, None, str(public), [here])
    made = client_keys(str(secret), str(public), [there])
    assert made.server == made.own.public


def test_the_screen_beside_an_engine_has_its_key(tmp_path):
    _, secret = make_keys(tmp_path, "engine")
    assert engine_s_own(SecuritySettings()) is None
    assert engine_s_own(SecuritySettings(secret_key=str(secret))) is None
    keys = engine_s_own(SecuritySettings(secret_key=str(secret), viewers=("x",)))
    assert keys.server == keys.own.public
    assert reachable("tcp://*:5611") == reachable("tcp://0.0.0.0:5611") == "tcp://127.0.0.1:5611"
    assert reachable("tcp://10.9.8.7:5611") == "tcp://10.9.8.7:5611"


@pytest.mark.parametrize("address", ["tcp://0.0.0.0:5601", "0.0.0.0:5601", "tcp://*:5601"])
def test_who_has_no_keys_listens_on_this_machine_alone(address):
    assert "ssh tunnel" in refusal(check_local, address, "slice endpoint")
    check_local("127.0.0.1:5601", "slice endpoint")
