"""The commands that keep processes running: one server, several workers, a dispatcher."""
