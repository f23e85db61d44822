"""Labelled frames on disk: manifests, label files, annotations, KITTI, and the class tables.

Every reader bounds and checks what it reads. Nothing in here may read a recording or need torch;
`training/data` turns these frames into samples.
"""
