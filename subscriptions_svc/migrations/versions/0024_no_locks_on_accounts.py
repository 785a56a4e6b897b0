"""on PostgreSQL a box delivery does not lock its account

The foreign key becomes a trigger that keeps an account with deliveries from being deleted: see
docs/decisions/0013.
"""

from alembic import op

revision = "0024"
down_revision = "0023"
oldest_code = "0.1.0"

KEEP = """
CREATE FUNCTION keep_with_deliveries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.id = OLD.id THEN
        RETURN NEW;
    END IF;
    IF EXISTS (SELECT FROM box_deliveries WHERE account_id = OLD.id) THEN
        RAISE foreign_key_violation
            USING MESSAGE = format('account %s has box deliveries', OLD.id);
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END
$$
"""


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute(KEEP)
    op.execute(
        "CREATE TRIGGER keep_with_deliveries BEFORE DELETE OR UPDATE OF id ON accounts "
        "FOR EACH ROW EXECUTE FUNCTION keep_with_deliveries()"
    )
    op.drop_constraint("fk_box_deliveries_account_id", "box_deliveries", type_="foreignkey")


def downgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    op.create_foreign_key(
        "fk_box_deliveries_account_id", "box_deliveries", "accounts", ["account_id"], ["id"]
    )
    op.execute("DROP TRIGGER keep_with_deliveries ON accounts")
    op.execute("DROP FUNCTION keep_with_deliveries")
