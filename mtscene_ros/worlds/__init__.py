"""Generates scenes and sequences together with their ground truth.

The code here uses NumPy only (OpenCV for JPEG, moderngl where the GL ray caster is chosen). ROS,
torch and everything that reads or writes data sets stay outside.
"""

from __future__ import annotations

from mtscene_ros.worlds.drive import drive_frame, drive_sequence
from mtscene_ros.worlds.figure import figure_frame, figure_sequence
from mtscene_ros.worlds.near_room import near_room_frame
from mtscene_ros.worlds.room import room_frame, room_sequence

# FRAMES: (seed, index, width_px, height_px) → one independent image.
# SEQUENCES: (seed, length, rate_hz, width_px, height_px) → consecutive frames of one world.
FRAMES = {
    'drive': drive_frame,
    'room': room_frame,
    'near_room': near_room_frame,
    'figure': figure_frame,
}
SEQUENCES = {'drive': drive_sequence, 'room': room_sequence, 'figure': figure_sequence}
