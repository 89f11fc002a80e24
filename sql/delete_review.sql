-- A review less.
-- param $1 review_id uuid
delete from reviews
where review_id = $1::uuid
