-- Reviews per length of the public text and rating; lengths are the gaps between the edges.
-- param $1 since timestamp: null for no limit
-- param $2 until timestamp: exclusive; null for no limit
-- param $3 edges int4[]: characters, sorted; white space at both ends of a text does not count
-- param $4 ratings int4[]: null for all
-- param $5 pattern text: for LIKE, special characters escaped; null for all
-- column k int4: which gap, from 0 for less than the first edge
-- column rating int4: as stored, also outside the scale
-- column n int8: at least 1; a length without reviews has no row
select width_bucket(char_length(btrim(public_review, e' \t\n\x0b\f\r')), $3::int4[]) as k, rating, count(*) as n
from reviews
where ($1::timestamp is null or submitted_at >= $1::timestamp)
  and ($2::timestamp is null or submitted_at < $2::timestamp)
  and isfinite(submitted_at)
  and ($4::int4[] is null or rating = any ($4::int4[]))
  and ($5::text is null or public_review ilike $5::text)
group by 1, 2
