"""Mostly dead and small files of a dataset rewritten, as a job on a Ray cluster.

    ray job submit --working-dir . -- python jobs/compact.py --config my.yaml [--set NAME=VALUE …]

It is `biomedica compact --json` with the same options. `ray job submit` ends with 1 for any failure:
`exit_status` in the last line of output says which (0 done, 1 run it again, 2 could not start).
"""

import sys

from biomedica.cli import main

if __name__ == "__main__":
    sys.argv[1:1] = ["compact", "--json"]
    main()
