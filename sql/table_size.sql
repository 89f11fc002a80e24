-- How many pages the table has now.
-- column pages int8: of 8 kB
select pg_relation_size('reviews'::regclass) / 8192 as pages
