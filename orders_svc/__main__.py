"""The command line: `python -m orders_svc` serves, `--help` lists the other commands."""

from chassis.cli.main import command_line

cli = command_line("orders", "127.0.0.1:50052")

if __name__ == "__main__":
    cli(prog_name="python -m orders_svc")
