"""The files of a job, `<home>/jobs/<job id>/`. docs/reference/spool-format.md specifies them."""
