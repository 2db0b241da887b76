"""Compares explaind with Captum, PyTorch and ONNX Runtime; see `tools/compare_captum.py`."""
