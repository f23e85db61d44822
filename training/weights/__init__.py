"""Files of weights: the authors' checkpoints, ours, safetensors, and the weights of model files.

Nothing in here may execute pickled code from a file.
"""
