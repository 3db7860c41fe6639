"""What holds for all tests, before the first of them imports anything of the program's."""

import os

# Several processes run tests side by side: each computes in one thread. On the small images of
# tests, waiting for a second thread on a busy core takes ten times as long as the work itself.
# tests/core/test_threads.py shows that the number of threads changes no result.
for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")
