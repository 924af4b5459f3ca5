"""What the commands `jobs` and `sessions` do. Imported when one of them runs."""
