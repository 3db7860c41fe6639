"""Starts pitwatch: `python launch.py` is the demo, `python launch.py --help` lists the commands."""

from monitor.cli.__main__ import main

if __name__ == "__main__":
    main()
