"""Which tests are sensitive to how floats are summed: `pytest -m numerics` runs them, say under another BLAS kernel.

OPENBLAS_CORETYPE (Haswell, Zen, Sandybridge, SkylakeX) chooses OpenBLAS's kernels, NPY_DISABLE_CPU_FEATURES ("X86_V4",
"X86_V3 X86_V4") those of NumPy, OPENBLAS_NUM_THREADS the number of threads.
"""

import pytest

NUMERICS = {
    "activations", "against_torch", "approximation", "checkpoints", "checks", "compare", "controls", "diagnosis",
    "elementwise", "estimators", "estimators_extras", "estimators_programs", "exports", "gradients", "initializers",
    "losses", "machine", "mean_field", "nonlinearity", "output_range", "probes", "randomness", "resuming", "special",
    "training", "vanishing_gradients",
}  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.stem.removeprefix("test_") in NUMERICS:
            item.add_marker(pytest.mark.numerics)
