"""What gunicorn's worker is made of: its parser, its limits, its handover and its output."""
