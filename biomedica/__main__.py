"""`python -m biomedica`."""

from __future__ import annotations

from biomedica.cli import main

if __name__ == "__main__":
    main()
