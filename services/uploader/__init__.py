"""Puts finished images where people see them, each at its own number, once, and never over another."""
