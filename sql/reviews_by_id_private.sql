-- Some reviews with their private text, in no order; ids that are not there have no row.
-- param $1 review_ids uuid[]
-- column review_id uuid
-- column public_review text
-- column private_review text: null where there is none
-- column rating int4
-- column submitted_at timestamp
select review_id, public_review, private_review, rating, submitted_at
from reviews
where review_id = any ($1::uuid[])
