"""Masks and boxes in the report: drawn over images, and how well each class is found."""
