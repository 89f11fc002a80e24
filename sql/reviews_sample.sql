-- Reviews without their private text, filtered, from a random sample of the table.
-- param $1 since timestamp: null for no limit
-- param $2 until timestamp: exclusive; null for no limit
-- param $3 ratings int4[]: null for all
-- param $4 pattern text: for LIKE, special characters escaped; null for all
-- param $5 percent float4: of the rows, each chosen by itself
-- param $6 seed float8: the same seed chooses the same rows of an unchanged table
-- column review_id uuid
-- column rating int4
-- column submitted_at timestamp
-- column public_review text
select review_id, rating, submitted_at, public_review
from reviews tablesample bernoulli ($5::float4) repeatable ($6::float8)
where ($1::timestamp is null or submitted_at >= $1::timestamp)
  and ($2::timestamp is null or submitted_at < $2::timestamp)
  and ($3::int4[] is null or rating = any ($3::int4[]))
  and ($4::text is null or public_review ilike $4::text)
