"""`python -m vaulytica`."""

from vaulytica.cli import main

if __name__ == "__main__":
    main()
