-- One more review.
-- param $1 review_id uuid
-- param $2 public_review text
-- param $3 private_review text: null where there is none
-- param $4 rating int4
-- param $5 submitted_at timestamp
insert into reviews (review_id, public_review, private_review, rating, submitted_at)
values ($1::uuid, $2::text, $3::text, $4::int4, $5::timestamp)
