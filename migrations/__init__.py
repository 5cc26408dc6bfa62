"""Alembic migrations of the store; the package `atlas_fast.migrations`."""
