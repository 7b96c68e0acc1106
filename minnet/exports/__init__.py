"""A trained network leaves: as an ONNX file, or as a short program for PyTorch, plain NumPy or scikit-learn.

All of them compute what `network(theta, x)` computes: inference, so dropout is left out and batch norm uses the
population's statistics. What has no counterpart on the other side is refused by name.
"""

from minnet.exports.onnx_model import to_onnx
from minnet.exports.programs import to_code

__all__ = ["to_code", "to_onnx"]
