"""`optigate new`: a commented file of a partner, a lab or a merchant, and loading it."""
