"""Hands out the numbers: one block per batch, once; nobody else invents one."""
