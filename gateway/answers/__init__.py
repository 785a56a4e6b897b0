"""What the answers of the APIs share beyond their bodies: validators, links, coding, origins."""
