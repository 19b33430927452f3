"""Load for the simulator: connections, signed orders, a listening shop, and a lower bound."""
