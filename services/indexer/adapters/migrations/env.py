"""Alembic's entry for the indexer's tables."""

from chassis.migrations import run

run()
