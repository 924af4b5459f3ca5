-- Words are large and rarely wanted: they stand in a column of their own, behind all that is read often.

ALTER TABLE records ADD COLUMN words TEXT;  -- a JSON object; NULL: none were kept

DROP VIEW IF EXISTS turns;

-- What people may query: one row a turn, its columns documented in docs/reference/records.md and kept from release to release.
CREATE VIEW turns AS
SELECT job_id,
       session_id,
       json_extract(doc, '$.native_id') AS native_id,
       principal,
       json_extract(doc, '$.correlation_id') AS correlation_id,
       provider,
       json_extract(doc, '$.model') AS model,
       ifnull(json_extract(doc, '$.run.cli_version'), json_extract(doc, '$.kept.cli_version')) AS cli_version,
       json_extract(doc, '$.posture') AS posture,
       ifnull(json_extract(doc, '$.resumed'), 0) AS resumed,
       ifnull(json_extract(doc, '$.prompt_bytes'), 0) AS prompt_bytes,
       prefix_sha256,
       ifnull(json_extract(doc, '$.prefix_bytes'), 0) AS prefix_bytes,
       ifnull(json_extract(doc, '$.prefix_bytes'), 0) / 4 AS prefix_tokens,
       json_extract(doc, '$.usage.input_tokens') AS input_tokens,
       json_extract(doc, '$.usage.output_tokens') AS output_tokens,
       json_extract(doc, '$.usage.cache_read_tokens') AS cache_read_tokens,
       json_extract(doc, '$.usage.cache_creation_tokens') AS cache_creation_tokens,
       json_extract(doc, '$.usage.reasoning_tokens') AS reasoning_tokens,
       json_extract(doc, '$.cost.usd') AS cost_usd,
       ifnull(json_extract(doc, '$.cost.basis'), 'unknown') AS cost_basis,
       json_extract(doc, '$.cache.ttl_s') AS cache_ttl_s,
       json_extract(doc, '$.cache.expected_tokens') AS cache_expected_tokens,
       json_extract(doc, '$.cache.cause') AS cache_break,
       json_extract(doc, '$.cache.saved_usd') AS saved_usd,
       json_extract(doc, '$.cache.wasted_usd') AS wasted_usd,
       strftime('%Y-%m-%dT%H:%M:%S', started_at / 1000000, 'unixepoch') || 'Z' AS started_at,
       strftime('%Y-%m-%dT%H:%M:%S', ended_at / 1000000, 'unixepoch') || 'Z' AS ended_at,
       CASE WHEN ended_at IS NULL THEN NULL ELSE ifnull(json_extract(doc, '$.duration_s'), 0.0) END AS duration_s,
       json_extract(doc, '$.run.first_event_s') AS first_event_s,
       ifnull(json_extract(doc, '$.run.retries'), 0) AS retries,
       json_extract(doc, '$.outcome') AS outcome,
       json_extract(doc, '$.error_code') AS error_code,
       json_extract(words, '$.prompt') AS prompt,
       json_extract(words, '$.reply') AS reply
FROM (SELECT job_id, session_id, principal, provider, prefix_sha256, started_at, ended_at, CAST(doc AS TEXT) AS doc, words FROM records);
