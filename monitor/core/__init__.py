"""The pure core: no socket, file, clock, thread or screen."""

import llvmlite.binding as llvm

# The kernels' row loops touch up to eleven arrays. LLVM's default limit of overlap checks would
# leave them scalar, several times slower. To be set before the first of them is compiled.
llvm.set_option("", "-runtime-memory-check-threshold=500")
