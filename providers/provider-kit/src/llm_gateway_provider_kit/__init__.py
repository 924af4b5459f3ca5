"""Code that all providers share: failure rules (`failures`), waiting times (`waiting`) and JSON lines (`lines`)."""
