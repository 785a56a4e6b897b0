"""Messages to people: queued with the change that they report, and sent by e-mail or SMS."""
