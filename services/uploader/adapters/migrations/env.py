"""Alembic's entry."""

from chassis.migrations import run

run()
