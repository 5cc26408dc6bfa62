"""Run by Alembic: all steps of a command in one transaction, which fails or holds as a whole.

The caller (`atlas_fast.store.migrate`) hands over the open connection. SQLite's own driver would
commit in the middle; `migrate.engine` says why it does not.
"""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, transactional_ddl=True, transaction_per_migration=False)
with context.begin_transaction():
    context.run_migrations()
