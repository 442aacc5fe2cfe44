"""From event partitions to feature snapshots, and their lookup for serving."""
