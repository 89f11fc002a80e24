-- Where many reviews wait to be merged into the table: without keys, private to the session, gone after the transaction.
drop table if exists pg_temp.new_reviews;
create temporary table new_reviews (
    review_id      uuid,
    public_review  text,
    private_review text,
    rating         int,
    submitted_at   timestamp
) on commit drop;
