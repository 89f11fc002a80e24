-- First and last finite submitted_at, from the index, and the server's time.
-- param $1 stored_tz text: the clock of submitted_at
-- column first timestamp: null for an empty table
-- column last timestamp: null for an empty table
-- column as_of timestamp: the server's time, on the stored clock
select (select min(submitted_at) from reviews where submitted_at > '-infinity') as first,
       (select max(submitted_at) from reviews where submitted_at < 'infinity') as last,
       now() at time zone $1::text as as_of
