-- The lowest and the highest rating of the whole table.
-- column lowest int4: null for an empty table
-- column highest int4: null for an empty table
select min(rating) as lowest, max(rating) as highest
from reviews
