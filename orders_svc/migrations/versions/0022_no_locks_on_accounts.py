"""on PostgreSQL an order does not lock its account, its user and its lab

Their foreign keys become triggers that keep what has orders from being deleted: see
docs/decisions/0013.
"""

from alembic import op

revision = "0022"
down_revision = "0021"
oldest_code = "0.1.0"

PARENTS = {"account_id": "accounts", "lab_id": "labs", "user_id": "users"}
KEEP = """
CREATE FUNCTION keep_with_orders() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    is_named boolean;
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.id = OLD.id THEN
        RETURN NEW;
    END IF;
    EXECUTE format('SELECT EXISTS (SELECT FROM orders WHERE %I = $1)', TG_ARGV[0])
        INTO is_named USING OLD.id;
    IF is_named THEN
        RAISE foreign_key_violation
            USING MESSAGE = format('%s %s has orders', TG_TABLE_NAME, OLD.id);
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END
$$
"""


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute(KEEP)
    for column, parent in PARENTS.items():
        op.execute(
            f"CREATE TRIGGER keep_with_orders BEFORE DELETE OR UPDATE OF id ON {parent} "
            f"FOR EACH ROW EXECUTE FUNCTION keep_with_orders('{column}')"
        )
        op.drop_constraint(f"fk_orders_{column}", "orders", type_="foreignkey")


def downgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    for column, parent in PARENTS.items():
        op.create_foreign_key(f"fk_orders_{column}", "orders", parent, [column], ["id"])
        op.execute(f"DROP TRIGGER keep_with_orders ON {parent}")
    op.execute("DROP FUNCTION keep_with_orders")
