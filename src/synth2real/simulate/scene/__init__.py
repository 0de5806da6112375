"""What the simulators draw with: random fields and profiles, and the effects of a camera."""
