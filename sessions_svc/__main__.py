"""The command line: `python -m sessions_svc` serves, `--help` lists the other commands."""

from chassis.cli.main import command_line

cli = command_line("sessions", "127.0.0.1:50051")

if __name__ == "__main__":
    cli(prog_name="python -m sessions_svc")
