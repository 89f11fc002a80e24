-- To find a review in sql/schema/staging.sql by its id.
create index on pg_temp.new_reviews (review_id);
