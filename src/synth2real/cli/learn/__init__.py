"""Commands that learn something and write it: adapt, calibrate, compare, demo, refine, train."""
