"""Prescriptions of contact lenses: their schema, their verification, and what they hinder."""
