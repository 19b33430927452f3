"""Storage of the simulator's state."""
