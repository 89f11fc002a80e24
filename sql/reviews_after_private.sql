-- Reviews with their private text that follow another one, newest first.
-- param $1 submitted_at timestamp: of that one
-- param $2 review_id uuid: of that one
-- param $3 limit int8
-- column review_id uuid
-- column public_review text
-- column private_review text: null where there is none
-- column rating int4
-- column submitted_at timestamp
select review_id, public_review, private_review, rating, submitted_at
from reviews
where (submitted_at, review_id) < ($1::timestamp, $2::uuid)
order by submitted_at desc, review_id desc
limit $3::int8
