"""What the images of a camera tell about one another: tracked boxes, steady maps, and whether the
camera and the scene are such that results can be trusted.

Everything here keeps its state per camera and knows neither messages nor recordings.
"""
