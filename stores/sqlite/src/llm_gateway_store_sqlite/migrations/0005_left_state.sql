-- A finished job answers the same request again only where the files are as it left them.

ALTER TABLE jobs ADD COLUMN left_state TEXT;  -- NULL: not known, never given again; so with the jobs of before
