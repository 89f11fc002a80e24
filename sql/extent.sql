-- The whole table in one line; infinite times are counted, and left out of first and last.
-- param $1 stored_tz text: the clock of submitted_at
-- column first timestamp: null for an empty table
-- column last timestamp: null for an empty table
-- column n int8
-- column rating_lowest int4: null for an empty table
-- column rating_highest int4: null for an empty table
-- column n_infinite int8
-- column as_of timestamp: the server's time, on the stored clock
select min(submitted_at) filter (where isfinite(submitted_at)) as first,
       max(submitted_at) filter (where isfinite(submitted_at)) as last,
       count(*) as n,
       min(rating) as rating_lowest,
       max(rating) as rating_highest,
       count(*) filter (where not isfinite(submitted_at)) as n_infinite,
       now() at time zone $1::text as as_of
from reviews
