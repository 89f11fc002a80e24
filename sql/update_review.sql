-- Another content for a review, which keeps its private text.
-- param $1 public_review text
-- param $2 rating int4
-- param $3 submitted_at timestamp
-- param $4 review_id uuid: which one
update reviews
set public_review = $1::text, rating = $2::int4, submitted_at = $3::timestamp
where review_id = $4::uuid
