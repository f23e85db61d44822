"""Learns from recordings that nobody has labelled: statistics, labels of teachers, self-training.

Labels that a person has drawn, and programs, do not belong here; `training.adapt` is the way in.
"""
