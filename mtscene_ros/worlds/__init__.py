"""Generated scenes and sequences with ground truth. NumPy only, OpenCV for JPEG."""

from __future__ import annotations

from mtscene_ros.worlds.drive import drive_frame, drive_sequence
from mtscene_ros.worlds.figure import figure_frame, figure_sequence
from mtscene_ros.worlds.room import room_frame, room_sequence

# (seed, index, width_px, height_px) → a still; (seed, length, rate_hz, width_px, height_px) →
# frames that follow one another.
FRAMES = {'drive': drive_frame, 'room': room_frame, 'figure': figure_frame}
SEQUENCES = {'drive': drive_sequence, 'room': room_sequence, 'figure': figure_sequence}
