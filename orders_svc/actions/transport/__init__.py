"""What time alone does between orders and their labs: jobs are sent, status files are read."""
