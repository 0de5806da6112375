"""One benchmark for each kind of method: adaptation, refinement, calibration and others."""
