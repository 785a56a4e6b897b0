"""What an end costs: estimates, withdrawals, settlements."""
