"""What is sent to shoppers: its texts, and the links of carts."""
