-- A part of sql/reviews_private.sql: the rows that lie in a range of the table; needs the right to read ctid.
-- param $1 since timestamp: null for no limit
-- param $2 until timestamp: exclusive; null for no limit
-- param $3 ratings int4[]: null for all
-- param $4 pattern text: for LIKE, special characters escaped; null for all
-- param $5 first_block tid: inclusive; null for all
-- param $6 end_block tid: exclusive; null for all
-- column review_id uuid
-- column rating int4
-- column submitted_at timestamp
-- column public_review text
-- column private_review text: null where there is none
select review_id, rating, submitted_at, public_review, private_review
from reviews
where ($1::timestamp is null or submitted_at >= $1::timestamp)
  and ($2::timestamp is null or submitted_at < $2::timestamp)
  and ($3::int4[] is null or rating = any ($3::int4[]))
  and ($4::text is null or public_review ilike $4::text)
  and ($5::tid is null or ctid >= $5::tid)
  and ($6::tid is null or ctid < $6::tid)
