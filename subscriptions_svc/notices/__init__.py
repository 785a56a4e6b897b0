"""What is sent to shoppers: its texts, its channels and the thread that sends it."""
