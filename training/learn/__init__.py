"""Everything that changes weights: losses of a step, optimizers, schedules, loaders, run logs.

Network definitions, file formats of weights, and scores do not belong here.
"""
