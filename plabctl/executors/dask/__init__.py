"""Tests made by workers of a Dask cluster. Start with `kind`, then `registry`, which is what the scheduler keeps."""
