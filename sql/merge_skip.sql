-- The reviews of sql/schema/staging.sql whose id is not there yet; of several with one id the first.
-- In the order of the ids, so that two loads at once wait for each other, and never in a circle.
insert into reviews (review_id, public_review, private_review, rating, submitted_at)
select review_id, public_review, private_review, rating, submitted_at
from pg_temp.new_reviews
order by review_id, ctid
on conflict (review_id) do nothing
