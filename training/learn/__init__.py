"""What a training run consists of: losses, targets, loading, schedules, logging.

Nothing in here may export a model or be run as a program.
"""
