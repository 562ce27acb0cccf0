"""The session encoder: what a session's newest tracks say about the next one, as a vector.

Training needs torch (`network`, `trainer`), serving ONNX Runtime and FAISS alone (`served_encoder`).
"""
