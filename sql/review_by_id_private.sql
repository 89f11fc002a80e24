-- One review with its private text; its plan is kept, which that of sql/reviews_by_id_private.sql is not.
-- param $1 review_id uuid
-- column review_id uuid
-- column public_review text
-- column private_review text: null where there is none
-- column rating int4
-- column submitted_at timestamp
select review_id, public_review, private_review, rating, submitted_at
from reviews
where review_id = $1::uuid
