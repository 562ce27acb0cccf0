"""What the network hears: spectrograms, their harmonic and percussive parts, mel images, notes and rhythm.

Pure functions of arrays.  Levels are measured by compiled code on a CPU and by torch on a GPU; all that is made from
levels has one source.
"""
