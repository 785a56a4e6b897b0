"""`python -m optigate` is the installed command `optigate`."""

from optigate.command import cli

if __name__ == "__main__":
    cli(prog_name="python -m optigate")
