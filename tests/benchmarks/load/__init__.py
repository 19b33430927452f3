"""What loads the simulator: connections, signed orders, a shop that listens, and a floor."""
