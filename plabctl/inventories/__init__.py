"""Where nodes come from: lists, CSV files, commands."""
