"""What the network hears: spectrograms, their harmonic and percussive parts, mel images, notes and rhythm.

Pure functions of tensors; the same code runs on CPU and GPU.
"""
