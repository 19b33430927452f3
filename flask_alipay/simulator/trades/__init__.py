"""Orders, trades and batches of the simulator."""
