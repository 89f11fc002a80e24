-- A review that is there afterwards, whether it was there before or not; a private text that it had stays.
-- param $1 review_id uuid
-- param $2 public_review text
-- param $3 rating int4
-- param $4 submitted_at timestamp
insert into reviews (review_id, public_review, rating, submitted_at)
values ($1::uuid, $2::text, $3::int4, $4::timestamp)
on conflict (review_id) do update
set public_review = $2::text, rating = $3::int4, submitted_at = $4::timestamp
