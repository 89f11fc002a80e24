-- Reviews per period and rating; periods are the gaps between the edges.
-- param $1 edges timestamp[]: sorted; the last one is exclusive
-- param $2 ratings int4[]: null for all
-- param $3 pattern text: for LIKE, special characters escaped; null for all
-- column k int4: which period, from 1
-- column rating int4: as stored, also outside the scale
-- column n int8: at least 1; a period without reviews has no row
select width_bucket(submitted_at, $1::timestamp[]) as k, rating, count(*) as n
from reviews
where submitted_at >= ($1::timestamp[])[1]
  and submitted_at < ($1::timestamp[])[cardinality($1::timestamp[])]
  and ($2::int4[] is null or rating = any ($2::int4[]))
  and ($3::text is null or public_review ilike $3::text)
group by 1, 2
