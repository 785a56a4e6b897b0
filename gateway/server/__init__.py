"""The parts of the gunicorn worker: its parser, limits, handover and output."""
