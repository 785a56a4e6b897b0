"""What is known of a field: its comment in the proto, its rules, its schema."""
