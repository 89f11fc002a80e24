-- As sql/merge_update_private.sql, slower, for a role that may write private texts and not read them: EXCLUDED is
-- refused to it, so they come from the table that it filled itself, by the index of sql/schema/staging_index.sql.
insert into reviews (review_id, public_review, private_review, rating, submitted_at)
select distinct on (review_id) review_id, public_review, private_review, rating, submitted_at
from pg_temp.new_reviews
order by review_id, ctid desc
on conflict (review_id) do update
set public_review = excluded.public_review, rating = excluded.rating, submitted_at = excluded.submitted_at,
    private_review = (
        select n.private_review from pg_temp.new_reviews n
        where n.review_id = excluded.review_id
        order by n.ctid desc
        limit 1
    )
