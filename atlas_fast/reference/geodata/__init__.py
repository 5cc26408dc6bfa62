"""Geography from its sources: readers, merging, and the payload of the table `geo`."""
