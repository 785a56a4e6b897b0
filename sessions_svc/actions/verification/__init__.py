"""What staff records of the verification of prior prescriptions."""
