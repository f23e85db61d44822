"""Model files: what a file promises (its spec), says of itself, and where models are found.

The bundled models lie here too. Nothing in here may open a model in a runtime or decode its
outputs.
"""
