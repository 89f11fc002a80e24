-- One review without its private text; its plan is kept, which that of sql/reviews_by_id.sql is not.
-- param $1 review_id uuid
-- column review_id uuid
-- column public_review text
-- column rating int4
-- column submitted_at timestamp
select review_id, public_review, rating, submitted_at
from reviews
where review_id = $1::uuid
