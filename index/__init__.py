"""Track vectors by cosine: an exact oracle, a FAISS replica with snapshots, and the follower that keeps it fresh."""
