"""`mtscene models get` against servers on loopback: good, broken, slow, lying."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mtscene_ros.cli.main import main
from mtscene_ros.models import download as downloads
from mtscene_ros.models.catalogue import path_of
from mtscene_ros.models.download import DownloadError, download

Captured = pytest.CaptureFixture[str]


class Host(BaseHTTPRequestHandler):
    """Serves `server.files`; `server.manner` says how it behaves."""

    server: Any

    def do_GET(self) -> None:
        data: bytes | None = self.server.files.get(self.path)
        if data is None:
            self.send_error(404)
            return
        self.server.asked.append(self.headers.get('Range', ''))
        start = int((self.headers.get('Range') or 'bytes=0-')[6:-1])
        start = 0 if self.server.manner == 'forgetful' else start
        self.send_response(206 if start else 200)
        self.send_header('Content-Length', str(len(data) - start))
        self.end_headers()
        is_model = self.path.endswith('.onnx')
        rest = data[start:]
        if is_model and self.server.manner == 'broken':
            rest = rest[: len(rest) // 2]
        if is_model and self.server.manner == 'silent':
            self.wfile.write(rest[:100])
            self.server.over.wait(20)
            return
        self.wfile.write(rest)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def host(tiny_path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Hosts the tiny model as `yard`; downloads go to a folder of this test."""
    monkeypatch.setenv('XDG_DATA_HOME', str(tmp_path))
    server: Any = ThreadingHTTPServer(('127.0.0.1', 0), Host)
    data = Path(tiny_path).read_bytes()
    entry = {
        'name': 'yard', 'url': 'yard.onnx', 'sha256': hashlib.sha256(data).hexdigest(),
        'size_bytes': len(data), 'licence': 'MIT', 'scores': {'depth': {'abs_rel': 0.25}},
    }  # fmt: skip
    server.entry, server.manner, server.asked, server.over = entry, '', [], threading.Event()
    index = json.dumps({'models': [entry]}).encode()
    server.files = {'/index.json': index, '/yard.onnx': data}
    monkeypatch.setenv('MTSCENE_INDEX', f'http://127.0.0.1:{server.server_port}/index.json')
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.over.set()
    server.shutdown()
    server.server_close()


def test_a_model_is_downloaded_and_found_by_its_name(host: Any, capsys: Captured) -> None:
    assert main(['models']) == 0
    assert '`mtscene models get yard` downloads it' in capsys.readouterr().out
    assert main(['models', 'get', 'yard']) == 0
    assert capsys.readouterr().out.startswith('tiny 1  ')
    assert path_of('yard').read_bytes() == host.files['/yard.onnx']
    assert not list(path_of('yard').parent.glob('*.part'))


def test_a_broken_download_goes_on_where_it_ended(host: Any, capsys: Captured) -> None:
    host.manner = 'broken'
    assert main(['models', 'get', 'yard']) == 2
    assert 'the same command goes on from there' in capsys.readouterr().err
    host.manner = ''
    assert main(['models', 'get', 'yard']) == 0
    half = len(host.files['/yard.onnx']) // 2
    assert host.asked[-1] == f'bytes={half}-'
    assert path_of('yard').read_bytes() == host.files['/yard.onnx']


def test_a_server_that_cannot_go_on_starts_over(host: Any) -> None:
    host.manner = 'broken'
    assert main(['models', 'get', 'yard']) == 2
    host.manner = 'forgetful'
    assert main(['models', 'get', 'yard']) == 0
    assert path_of('yard').read_bytes() == host.files['/yard.onnx']


def test_a_silent_server_is_left(
    host: Any, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, 'SILENT_S', 0.5)
    host.manner = 'silent'
    assert main(['models', 'get', 'yard']) == 2
    assert 'ended after 0.0 of' in capsys.readouterr().err


@pytest.mark.parametrize('change', [b'other', b''])
def test_another_file_is_not_taken(host: Any, capsys: Captured, change: bytes) -> None:
    """One with the same size, and one that is longer than promised."""
    data = host.files['/yard.onnx']
    host.files['/yard.onnx'] = change + data[len(change) :] if change else data + b'x'
    assert main(['models', 'get', 'yard']) == 2
    said = capsys.readouterr().err
    assert ('its sha256 differs' if change else 'larger than promised') in said
    with pytest.raises(FileNotFoundError):
        path_of('yard')


@pytest.mark.parametrize(
    ('index', 'sentence'),
    [
        (b'{', 'is not JSON'),
        (b'[]', 'has no list'),
        (b'{"models": [1]}', 'an entry that is no object'),
        (b'{"models": [{"name": "../x"}]}', "the name '../x'"),
        (b'{"models": [{"name": "x", "sha256": "0"}]}', 'no sha256 for x'),
        (b'{"models": []}', 'no model yard: none'),
        (
            b'{"models": [{"name": "x", "sha256": "%s", "size_bytes": 5, "url": "file:///x"}]}'
            % (b'0' * 64),
            'a file of this machine',
        ),
    ],
)
def test_an_index_that_is_wrong_is_one_sentence(
    host: Any, capsys: Captured, index: bytes, sentence: str
) -> None:
    host.files['/index.json'] = index
    assert main(['models', 'get', 'yard']) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count('\n') == 1


def test_local_models_are_listed_without_the_index(host: Any, capsys: Captured) -> None:
    host.files.clear()
    assert main(['models']) == 1
    shown = capsys.readouterr()
    assert shown.out.startswith('drive_lite ')
    assert 'cannot be read (HTTP 404)' in shown.err


def test_an_index_may_be_a_file(host: Any, tmp_path: Path, tiny_path: str) -> None:
    entry = {**host.entry, 'url': tiny_path}
    (tmp_path / 'index.json').write_text(json.dumps({'models': [entry]}))
    assert main(['models', 'get', 'yard', '--index', str(tmp_path / 'index.json')]) == 0
    assert path_of('yard').is_file()


@pytest.mark.parametrize(
    ('address', 'sentence'),
    [
        ('ftp://host/x', 'addresses begin with file, http, https'),
        ('http://127.0.0.1:9/x', 'cannot be read'),
        ('nowhere.json', 'cannot be read'),
    ],
)
def test_an_address_that_cannot_be_read(address: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=sentence):
        download(downloads.address_of(address), tmp_path / 'x', 5, '0' * 64)
