"""What commands print: tables, JSON lines and progress."""
