-- Reviews with their private text, newest first.
-- param $1 limit int8: null for all
-- param $2 offset int8: how many to pass over
-- column review_id uuid
-- column public_review text
-- column private_review text: null where there is none
-- column rating int4
-- column submitted_at timestamp
select review_id, public_review, private_review, rating, submitted_at
from reviews
order by submitted_at desc, review_id desc
limit $1::int8 offset $2::int8
