"""What a shopper does about reminders."""
