-- Reviews per period and rating, and how many of them have a public text; periods are the gaps between the edges.
-- param $1 edges timestamp[]: sorted; the last one is exclusive
-- column k int4: which period, from 1
-- column rating int4: as stored, also outside the scale
-- column n int8: at least 1; a period without reviews has no row
-- column n_public int8: of those, with more than white space
select width_bucket(submitted_at, $1::timestamp[]) as k, rating, count(*) as n,
       count(*) filter (where btrim(public_review, e' \t\n\x0b\f\r') <> '') as n_public
from reviews
where submitted_at >= ($1::timestamp[])[1]
  and submitted_at < ($1::timestamp[])[cardinality($1::timestamp[])]
group by 1, 2
