"""What leaves the house: models as files that run without synth2real, and models in the manner of other libraries."""
