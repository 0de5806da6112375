"""Large images in overlapping tiles: how they are cut with their labels, and how predictions are put together."""
