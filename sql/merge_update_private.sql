-- The reviews of sql/schema/staging.sql, added or put in the place of those that are there, private text and all.
-- Of several with one id the last; in the order of the ids, so that two loads at once never wait in a circle.
insert into reviews (review_id, public_review, private_review, rating, submitted_at)
select distinct on (review_id) review_id, public_review, private_review, rating, submitted_at
from pg_temp.new_reviews
order by review_id, ctid desc
on conflict (review_id) do update
set public_review = excluded.public_review, private_review = excluded.private_review,
    rating = excluded.rating, submitted_at = excluded.submitted_at
