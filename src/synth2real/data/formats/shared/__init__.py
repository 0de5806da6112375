"""Shared by formats: files that describe images, shapes, instances as plain data, crops, and what a set holds."""
