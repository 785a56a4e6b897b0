"""How orders reach their labs, and what comes back: drops, deliveries of jobs, status files."""
