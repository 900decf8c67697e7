"""The shipped model: ONNX file, landmark set and model card."""
