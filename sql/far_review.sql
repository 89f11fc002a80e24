-- A review whose time no datetime can hold; infinite times can be held.
-- column review_id uuid
select review_id
from reviews
where isfinite(submitted_at) and (submitted_at < '0001-01-01' or submitted_at >= '10000-01-01')
order by review_id
limit 1
