-- Reviews per weekday, hour and rating, on the clock of a time zone.
-- param $1 since timestamp: null for no limit
-- param $2 until timestamp: exclusive; null for no limit
-- param $3 stored_tz text: the clock of submitted_at
-- param $4 tz text: the clock of weekday and hour; null for the stored one
-- param $5 ratings int4[]: null for all
-- param $6 pattern text: for LIKE, special characters escaped; null for all
-- column weekday int4: 1 for Monday to 7 for Sunday
-- column hour int4: 0 to 23
-- column rating int4: as stored, also outside the scale
-- column n int8: at least 1; an hour without reviews has no row
select extract(isodow from l.moment)::int4 as weekday, extract(hour from l.moment)::int4 as hour, rating, count(*) as n
from reviews
cross join lateral (
    select case when $4::text is null then submitted_at
           else (submitted_at at time zone $3::text) at time zone $4::text end as moment
) l
where ($1::timestamp is null or submitted_at >= $1::timestamp)
  and ($2::timestamp is null or submitted_at < $2::timestamp)
  and isfinite(submitted_at)
  and ($5::int4[] is null or rating = any ($5::int4[]))
  and ($6::text is null or public_review ilike $6::text)
group by 1, 2, 3
