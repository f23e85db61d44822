"""The networks: each takes normalised images and returns raw predictions by task."""
