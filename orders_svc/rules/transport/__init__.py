"""How a lab is reached: its drop, the names of jobs, status files."""
