"""The live page that the node serves itself (`web.port`): what a browser looks at, and no more.

Worker's thread: shrinks a scene that somebody waits for. Page's thread: draws and encodes it. The
server's threads: answer. Without a browser, an image costs one look at a dictionary.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.impl.rcutils_logger import RcutilsLogger

from mtscene_ros.report.live_page import LOCAL, LiveServer, LiveState
from mtscene_ros.report.scene_panels import (
    PanelStyle,
    Picture,
    depth_panel,
    over_image,
    small_scene,
)
from mtscene_ros.ros.live_topics import DEPTH_MAX_M, RATE_HZ, encoded
from mtscene_ros.ros.node_client import as_dict, entries_of
from mtscene_ros.types import Scene

# Pictures of the page, and the tasks that each shows.
TASKS = {'overlay': ('semantic', 'boxes3d'), 'depth': ('depth',)}
# Larger ones cost the node more than a twentieth (benchmarks/live_page_cost.py); depth is smooth.
STYLES = {
    'overlay': PanelStyle(TASKS['overlay'], 512, DEPTH_MAX_M),
    'depth': PanelStyle(TASKS['depth'], 384, DEPTH_MAX_M),
}
DRAW: dict[str, Callable[[Scene, PanelStyle], Picture]] = {
    'overlay': over_image,
    'depth': depth_panel,
}
Offer = tuple[Scene, tuple[str, ...]]


class NodePage:
    """Nothing until `serve`; then a page about one node.

    name: of the node; cameras: as the parameter has them; warn: takes a sentence.
    """

    def __init__(
        self,
        name: str,
        cameras: Sequence[str],
        logger: RcutilsLogger,
        warn: Callable[[str], None],
    ) -> None:
        self._name, self._logger, self._warn = name, logger, warn
        pictures = [picture_name(camera, kind) for camera in cameras for kind in TASKS]
        self.state = LiveState(pictures)
        self._next_s = dict.fromkeys(pictures, 0.0)
        self._server: LiveServer | None = None
        self._offered: Offer | None = None
        self._changed, self._is_over = threading.Condition(), False

    @property
    def address(self) -> str:
        """The address of the page, '' without one."""
        return self._server.address if self._server else ''

    def serve(self, host: str, port: int) -> None:
        """Starts the server, which a port of 0 does not want; without one the node goes on."""
        if not port:
            return
        try:
            self._server = LiveServer(self.state, self._name, host, port)
        except OSError as error:
            sentence = str(error).replace('--port', 'web.port or web.host')
            self._warn(f'There is no live page: {sentence}')
            return
        threading.Thread(target=self._draw, name='perception-page', daemon=True).start()
        who = 'this machine only' if host in LOCAL else 'everybody who reaches this machine'
        self._logger.info(f'Live page, for {who}: {self.address}')

    def close(self) -> None:
        """Ends the server and the drawing; the page then says that the program has ended."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
        if self._server is not None:
            self._server.close()
            self._server = None

    def show_status(self, message: DiagnosticArray) -> None:
        """Shows the node's diagnostics."""
        if self._server is not None:
            self.state.status = [as_dict(entry) for entry in entries_of(message, self._name)]

    # -- called by the worker ------------------------------------------------------------------

    def is_watched(self, camera: str) -> bool:
        """Whether somebody looks at a picture of this camera."""
        return any(self.state.is_wanted(picture_name(camera, kind)) for kind in TASKS)

    def due(self, camera: str) -> tuple[str, ...]:
        """Takes the kinds of pictures that the next image shall give: watched ones, at most
        RATE_HZ of each."""
        now_s, found = time.monotonic(), []
        for kind in TASKS:
            name = picture_name(camera, kind)
            if self._next_s[name] <= now_s and self.state.is_wanted(name):
                self._next_s[name] = now_s + 0.8 / RATE_HZ  # frames jitter
                found.append(kind)
        return tuple(found)

    def offer(self, scene: Scene, pictures: tuple[str, ...]) -> None:
        """Hands a scene over for drawing; while another one is being drawn, it is left out."""
        if not pictures or self._offered is not None:
            return
        with self._changed:
            longest_px = STYLES['overlay'].longest_px
            self._offered = small_scene(scene, longest_px, STYLES['depth'].longest_px), pictures
            self._changed.notify_all()

    # -- the page's thread ---------------------------------------------------------------------

    def _draw(self) -> None:
        while (offered := self._next_offer()) is not None:
            scene, pictures = offered
            try:
                for kind in pictures:
                    picture = DRAW[kind](scene, STYLES[kind])
                    self.state.put(picture_name(scene.frame.camera, kind), encoded(picture))
            except Exception as error:  # a picture for a page ends no node
                self._warn(f'A picture of the live page failed: {type(error).__name__}: {error}')
            self._offered = None

    def _next_offer(self) -> Offer | None:
        with self._changed:
            self._changed.wait_for(lambda: self._is_over or self._offered is not None)
            return None if self._is_over else self._offered


def picture_name(camera: str, kind: str) -> str:
    """Returns the name on the page, such as 'depth' or 'front-depth'."""
    return f'{camera}-{kind}' if camera else kind
