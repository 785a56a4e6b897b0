"""What is asked under load: bodies, requests, and the promises that are checked meanwhile."""
