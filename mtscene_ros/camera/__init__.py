"""Between the messages of a camera and the network, in both directions and without ROS.

Encodings, image headers, lens, letterbox, geometry and the mailbox lie here on the way in; the
table of outputs, message fields, boxes, points and drawing on the way out. Nothing in here may
import recordings, data sets or pages, nor decode a task's tensors.
"""
