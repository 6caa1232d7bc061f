"""`python -m voxcli`, which is also what torchrun starts."""

from voxcli.cli.app import main

if __name__ == "__main__":
    main()
