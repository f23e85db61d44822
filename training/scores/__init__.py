"""Scores networks during training and evaluation, using the meters of mtscene_ros.evaluate.

Scores that need no torch belong in mtscene_ros.evaluate, and losses in training.learn or
training.tasks.
"""
