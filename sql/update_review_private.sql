-- Another content for a review.
-- param $1 public_review text
-- param $2 private_review text: null where there is none
-- param $3 rating int4
-- param $4 submitted_at timestamp
-- param $5 review_id uuid: which one
update reviews
set public_review = $1::text, private_review = $2::text, rating = $3::int4, submitted_at = $4::timestamp
where review_id = $5::uuid
