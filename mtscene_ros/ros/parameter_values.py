"""The values of the node's parameters; parameter_table.py says what they mean."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NodeParams:
    """The values of PARAMETERS, one field each; a dot in a name becomes an underscore."""

    model: str
    backend: str
    precision: str
    threads: int
    gpu_id: int
    dla_core: int
    engine_folder: str
    autostart: bool
    cameras: list[str]
    image_topic: str
    image_transport: str
    input_is_rectified: str
    resize: str
    output_scale: float
    sync_policy: str
    sync_max_skew_ms: float
    max_image_mpx: float
    max_message_mb: float
    max_age_ms: float
    max_rate_hz: float
    depth_encoding: str
    probability_encoding: str
    class_id_format: str
    min_score: float
    min_score_by_class: list[str]
    classes: list[str]
    target_frame: str
    tracking_enabled: bool
    tracking_frame: str
    tracking_max_age_s: float
    temporal_enabled: bool
    camera_health_enabled: bool
    camera_health_frozen_s: float
    camera_health_max_edge_width_px: float
    novelty_enabled: bool
    novelty_limit: float
    gate_mode: str
    diagnostics_max_latency_ms: float
    diagnostics_late_frames: int
    watchdog_timeout_s: float
    watchdog_exit: bool
    web_port: int
    web_host: str
