"""A page in the browser that shows what a node publishes now: pictures, rates, latency, troubles.

The page polls: each answer waits until there is a newer picture, so that every tab gets as many as
it can draw. Nothing is loaded from elsewhere and nothing can be changed through it.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping, Sequence
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from mtscene_ros.report.html import page

WANTED_S = 5.0  # a picture that nobody has asked for so long is not made any more
WAIT_S = 4.0  # of an answer for the next picture
POLL_S = 0.1  # of the server's thread, which `close` waits for
MAX_CONNECTIONS = 32  # a tab opens up to six; each one costs the serving process a thread
SHOWN = 4  # pictures that a page shows at first
LOCAL = ('localhost', '127.0.0.1', '::1')
HEADERS = {
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    'Content-Security-Policy': "default-src 'self'; img-src 'self' blob:; "
    "style-src 'unsafe-inline'; script-src 'unsafe-inline'; frame-ancestors 'none'",
}


class LiveState:
    """What the page shows; one thread writes, the server's threads read.

    names: of the pictures; status: entries of /diagnostics as objects.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self.status: list[Mapping[str, Any]] = []
        self._pictures: dict[str, tuple[int, bytes]] = {}
        self._requested_s: dict[str, float] = {}
        self._changed = threading.Condition()

    def put(self, name: str, jpeg: bytes) -> None:
        """Shows a new picture."""
        with self._changed:
            number = self._pictures.get(name, (0, b''))[0] + 1
            self._pictures[name] = number, jpeg
            self._changed.notify_all()

    def is_wanted(self, name: str) -> bool:
        """Whether a page has asked for the picture lately."""
        return time.monotonic() - self._requested_s.get(name, float('-inf')) < WANTED_S

    def next_picture(self, name: str, after: int, wait_s: float) -> tuple[int, bytes] | None:
        """Returns number and JPEG of a picture that is newer than `after`, None if none comes."""
        self._requested_s[name] = time.monotonic()
        with self._changed:
            is_there = self._changed.wait_for(
                lambda: self._pictures.get(name, (0, b''))[0] not in (0, after), wait_s
            )
            self._requested_s[name] = time.monotonic()
            return self._pictures[name] if is_there else None


class LiveServer(ThreadingHTTPServer):
    """Serves the page in a thread until `close`; use port 0 for any free one.

    host: 127.0.0.1 unless others on the network shall see it. Raises OSError with one
    sentence where the port is taken.
    """

    daemon_threads = True

    def __init__(self, state: LiveState, title: str, host: str, port: int) -> None:
        try:
            super().__init__((host, port), LiveRequest)
        except (OSError, OverflowError) as error:
            raise OSError(
                f'Nothing can be served on {host}:{port} ({error}); choose another --port.'
            ) from None
        self.state, self.document = state, document(title, state.names).encode()
        self.is_local = host in LOCAL
        self._free = threading.BoundedSemaphore(MAX_CONNECTIONS)
        serve = partial(self.serve_forever, POLL_S)
        threading.Thread(target=serve, name='live-page', daemon=True).start()

    @property
    def address(self) -> str:
        return f'http://{self.server_address[0]!s}:{self.server_port}/'

    def process_request(self, request: Any, client_address: Any) -> None:
        """Refuses a connection beyond MAX_CONNECTIONS by closing it."""
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing of a connection that broke; the terminal belongs to the program."""

    def close(self) -> None:
        self.shutdown()
        self.server_close()


class LiveRequest(BaseHTTPRequestHandler):
    """Answers one request; GET only."""

    server: LiveServer
    protocol_version = 'HTTP/1.1'
    timeout = 30

    def do_GET(self) -> None:
        where = urlsplit(self.path)
        name = where.path.removeprefix('/').removesuffix('.jpg')
        host = (self.headers.get('Host') or '').rsplit(':', 1)[0].strip('[]')
        if self.server.is_local and host not in LOCAL:  # another name that leads here (rebinding)
            self._answer(403, 'text/plain', b'This page is for this machine.')
        elif where.path == '/':
            self._answer(200, 'text/html; charset=utf-8', self.server.document)
        elif where.path == '/status.json':
            body = json.dumps(self.server.state.status).encode()
            self._answer(200, 'application/json', body)
        elif where.path.endswith('.jpg') and name in self.server.state.names:
            self._picture(name, parse_qs(where.query).get('after', ['0'])[0])
        else:
            self._answer(404, 'text/plain', b'There is no such page.')

    def _picture(self, name: str, after: str) -> None:
        number = int(after) if after.isdecimal() and len(after) < 16 else 0
        found = self.server.state.next_picture(name, number, WAIT_S)
        if found is None:
            self._answer(204, 'image/jpeg', b'')
        else:
            self._answer(200, 'image/jpeg', found[1], {'X-Number': str(found[0])})

    def _answer(
        self, code: int, kind: str, body: bytes, further: Mapping[str, str] | None = None
    ) -> None:
        try:
            self.send_response(code)
            headers = {**HEADERS, 'Content-Type': kind, 'Content-Length': str(len(body))}
            for key, value in {**headers, **(further or {})}.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(body)
        except OSError:  # the tab was closed
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Says nothing; the terminal belongs to the verb."""


# -- document ------------------------------------------------------------------------------------

STYLE = """
.live { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr)); gap: 14px; margin: 16px 0 }
.live img { min-height: 120px; background: var(--line) } #status section { padding: 14px 18px; margin-bottom: 14px; overflow-x: auto }
.ok { color: var(--good) } .WARN, .ERROR { color: var(--bad) } label { margin-right: 18px; white-space: nowrap } label input { accent-color: var(--accent) }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px } #lost { color: var(--bad) }
@media (max-width: 600px) { main { padding: 14px 10px 40px } #status section { padding: 10px } th, td { padding-left: 8px }
  #status dl { grid-template-columns: 1fr; gap: 0 } #status dd { margin-bottom: 6px } }
"""  # noqa: E501
SCRIPT = """
const TIMES = ' p50/p95/p99, ms', lost = document.getElementById('lost');
const names = [...document.querySelectorAll('[data-name]')];
const pause = ms => new Promise(done => setTimeout(done, ms));
async function follow(figure) {
  const image = figure.querySelector('img'), name = figure.dataset.name, times = [];
  const box = document.querySelector(`input[value="${name}"]`), rate = figure.querySelector('output');
  for (let after = 0; ;) {
    figure.hidden = !box.checked;
    if (!box.checked || document.hidden) { await pause(200); continue; }
    try {
      const answer = await fetch(`/${name}.jpg?after=${after}`);
      if (answer.status !== 200) { rate.textContent = 'waiting for pictures'; await pause(100); continue; }
      after = answer.headers.get('X-Number');
      const url = URL.createObjectURL(await answer.blob());
      URL.revokeObjectURL(image.src);
      image.src = url;
      times.push(performance.now());
      while (times.length > 20) times.shift();
      const span = times[times.length - 1] - times[0];
      rate.textContent = span ? `${(1000 * (times.length - 1) / span).toFixed(1)} pictures per second` : '';
    } catch (error) { await pause(1000); }
  }
}
function row(cells, kind) {
  const line = document.createElement('tr');
  for (const text of cells) line.appendChild(document.createElement(kind)).textContent = text;
  return line;
}
function card(entry) {
  const found = document.createElement('section'), head = found.appendChild(document.createElement('h3'));
  head.textContent = entry.title + ': ';
  const level = head.appendChild(document.createElement('span'));
  level.className = entry.level;
  level.textContent = entry.level + ' ';
  found.appendChild(document.createElement('p')).textContent = entry.message;
  const stages = Object.entries(entry.values).filter(([name]) => name.endsWith(TIMES));
  const others = Object.entries(entry.values).filter(([name, value]) => !name.endsWith(TIMES) && value && value !== entry.message);
  const list = found.appendChild(document.createElement('dl'));
  for (const [name, value] of others) {
    list.appendChild(document.createElement('dt')).textContent = name;
    list.appendChild(document.createElement('dd')).textContent = value;
  }
  if (stages.length) {
    const table = found.appendChild(document.createElement('table'));
    table.appendChild(row(['ms', 'p50', 'p95', 'p99'], 'th'));
    for (const [name, value] of stages)
      table.appendChild(row([name.replace(TIMES, ''), ...value.split(' / ')], 'td'));
  }
  return found;
}
async function refresh() {
  try {
    const entries = await (await fetch('/status.json')).json(), of = entry => entry.title.startsWith('camera');
    entries.sort((a, b) => of(b) - of(a));  // rates and drops first
    document.getElementById('status').replaceChildren(...entries.map(card));
    lost.textContent = entries.length ? '' : names.length > 1 ? 'The node says nothing; is it running?' : '';
  } catch (error) { lost.textContent = 'The program has ended.'; }
  setTimeout(refresh, 1000);
}
names.forEach(follow);
refresh();
"""  # noqa: E501


def document(title: str, names: Sequence[str]) -> str:
    """Returns the page; title: of the node; names: of the pictures, SHOWN of which are
    ticked."""
    boxes = ''.join(
        f'<label><input type="checkbox" value="{name}"{" checked" * (k < SHOWN)}> {name}</label>'
        for k, name in enumerate(names)
    )
    figures = ''.join(
        f'<figure data-name="{name}"><img alt="{name}"><figcaption>{name}<output></output>'
        '</figcaption></figure>'
        for name in names
    )
    parts = [
        f'<h1>{title}</h1><p id="lost" role="status"></p><div>{boxes}</div>',
        f'<div class="live">{figures}</div><div id="status"></div>',
    ]
    return page(f'{title}: live', parts, STYLE, SCRIPT)
