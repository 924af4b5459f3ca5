-- The queue of each provider, in the order of admission: who is next is found without reading all unfinished jobs.

CREATE INDEX jobs_queued ON jobs (state, provider) WHERE state = 'queued';
